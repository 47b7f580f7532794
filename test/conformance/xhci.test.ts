import { Audio } from "../../src/gadgets/audio.ts";
import { Disk } from "../../src/gadgets/disk.ts";
import type { Gadget } from "../../src/gadgets/gadget.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { MemoryStore } from "../../src/gadgets/memory-store.ts";
import { Serial } from "../../src/gadgets/serial.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { DrivenDevice } from "./driven-device.ts";
import { audioTraits, diskTraits, keyboardTraits, serialTraits, zeroTraits } from "./gadget-traits.ts";
import type { PluggedDevice } from "./recording-host.ts";
import { type UsbDeviceTraits, usbDeviceConformance } from "./usb-device.ts";

function plugged(gadget: Gadget): PluggedDevice {
  const device = new DrivenDevice(gadget);
  const { loop } = device.driver;
  return {
    device,
    loop,
    advance: (ms) => loop.advance(ms),
    unplug: () => gadget.unplug(),
    done: async () => {},
  };
}

const DEVICES: readonly [string, () => Gadget, UsbDeviceTraits][] = [
  ["zero at full speed", () => new Zero({ speed: Speed.full }), zeroTraits(Speed.full)],
  ["zero at high speed", () => new Zero({ pattern: 63 }), zeroTraits(Speed.high, 63)],
  ["zero at super speed", () => new Zero({ speed: Speed.super }), zeroTraits(Speed.super)],
  ["keyboard", () => new Keyboard(), keyboardTraits()],
  ["disk", () => new Disk({ store: new MemoryStore(1 << 20) }), diskTraits()],
  ["serial", () => new Serial(), serialTraits()],
  ["audio", () => new Audio(), audioTraits()],
];

for (const [name, make, traits] of DEVICES) {
  usbDeviceConformance(`${name} through a controller and its driver`, async () => plugged(make()), traits);
}
