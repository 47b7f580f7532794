import { PacketRing } from "../../src/capture/packet-ring.ts";
import { LARGEST_PACKET } from "../../src/capture/pcapng.ts";
import { ALL_ENDPOINTS, Recorder } from "../../src/capture/recorder.ts";
import { Tap } from "../../src/capture/tap.ts";
import { Audio } from "../../src/gadgets/audio.ts";
import { defineDevice } from "../../src/gadgets/defined-device.ts";
import { Disk } from "../../src/gadgets/disk.ts";
import type { Gadget } from "../../src/gadgets/gadget.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { MemoryStore } from "../../src/gadgets/memory-store.ts";
import { Mouse } from "../../src/gadgets/mouse.ts";
import { Serial } from "../../src/gadgets/serial.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import type { UsbDevice } from "../../src/usb/device.ts";
import { Speed } from "../../src/usb/speed.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import {
  audioTraits,
  definedTraits,
  diskTraits,
  keyboardTraits,
  mouseTraits,
  serialTraits,
  zeroTraits,
} from "./gadget-traits.ts";
import type { PluggedDevice } from "./recording-host.ts";
import { usbDeviceConformance } from "./usb-device.ts";

function plugged(gadget: Gadget, device: UsbDevice = gadget): PluggedDevice {
  const loop = new ManualLoop();
  return {
    device,
    loop,
    advance: (ms) => loop.advance(ms),
    unplug: () => gadget.unplug(),
    done: async () => {},
  };
}

for (const [name, speed] of Object.entries({ full: Speed.full, high: Speed.high, super: Speed.super })) {
  usbDeviceConformance(`zero at ${name} speed`, async () => plugged(new Zero({ speed })), zeroTraits(speed));
}
usbDeviceConformance(
  "zero while it is recorded",
  async () => {
    const zero = new Zero();
    const tap = new Tap(zero);
    const request = { busnum: 1, devnum: 2, snaplen: LARGEST_PACKET, endpoints: ALL_ENDPOINTS };
    tap.record(new Recorder(new PacketRing(1 << 16), request, 1, () => 0));
    return plugged(zero, tap);
  },
  zeroTraits(Speed.high),
);
usbDeviceConformance(
  "zero with pattern 63",
  async () => plugged(new Zero({ pattern: 63 })),
  zeroTraits(Speed.high, 63),
);
for (const [name, speed] of Object.entries({ low: Speed.low, full: Speed.full })) {
  usbDeviceConformance(
    `keyboard at ${name} speed`,
    async () => plugged(new Keyboard({ speed })),
    keyboardTraits(),
  );
}
for (const [name, speed] of Object.entries({ full: Speed.full, high: Speed.high, super: Speed.super })) {
  usbDeviceConformance(
    `disk at ${name} speed`,
    async () => plugged(new Disk({ store: new MemoryStore(1 << 20), speed })),
    diskTraits(),
  );
}
for (const [name, speed] of Object.entries({ full: Speed.full, high: Speed.high, super: Speed.super })) {
  usbDeviceConformance(`serial at ${name} speed`, async () => plugged(new Serial({ speed })), serialTraits());
}
usbDeviceConformance("mouse", async () => plugged(new Mouse()), mouseTraits());
usbDeviceConformance(
  "a defined device",
  async () =>
    plugged(
      defineDevice({
        product: "Thing",
        endpoints: [
          { endpoint: 1, send: () => new Promise(() => {}) },
          { endpoint: 2, receive: async () => {} },
        ],
        control: async () => undefined,
      }),
    ),
  definedTraits(),
);
for (const [name, speed] of Object.entries({ full: Speed.full, high: Speed.high })) {
  usbDeviceConformance(`audio at ${name} speed`, async () => plugged(new Audio({ speed })), audioTraits());
}
