import { writeFileSync } from "node:fs";
import { LibuvLoop } from "../../../src/daemon/libuv-loop.ts";
import type { Loop } from "../../../src/usb/loop.ts";
import { keyboardTraits, serialTraits, zeroTraits } from "../../conformance/gadget-traits.ts";
import { type UsbDeviceTraits, usbDeviceConformance } from "../../conformance/usb-device.ts";
import { PumpedLoop } from "../../support/pumped-loop.ts";
import { findHardware, type RealSourceName, realSource } from "./real-source.ts";

/** Runs in the guest: the promises of the waist, tried on a device of the guest's kernel. KIND BUSID PORT SOURCE LOOP */
const [kind, busid, port, source, loopName] = process.argv.slice(2) as [
  string,
  string,
  string,
  RealSourceName,
  "event" | "poll",
];

const hardware = await findHardware(source, busid);
// The thread for host calls has to be started once, which takes an emulated machine as long as the suite waits.
await openAndClose();

async function openAndClose(): Promise<void> {
  const device = realSource(source, hardware);
  const nobody = { complete: () => {}, unplugged: () => {} };
  await new Promise<void>((resolve, reject) => {
    device.open(nobody, new LibuvLoop(), (refused) => {
      if (refused === undefined) device.close(resolve);
      else reject(new Error(refused.message));
    });
  });
}

function openLoop(): { readonly loop: Loop; done(): Promise<void> } {
  if (loopName === "event") return { loop: new LibuvLoop(), done: async () => {} };
  const pumped = new PumpedLoop();
  return { loop: pumped.loop, done: async () => pumped.close() };
}

const traits: Readonly<Record<string, UsbDeviceTraits>> = {
  zero: zeroTraits(hardware.speed),
  keyboard: keyboardTraits(),
  serial: serialTraits(),
};

usbDeviceConformance(
  `${kind} at speed ${hardware.speed}`,
  async () => ({
    ...openLoop(),
    device: realSource(source, hardware),
    unplug: () => writeFileSync("/sys/devices/platform/vhci_hcd.0/detach", port),
  }),
  // Linux discards one URB after the other, and each is a question to the host of the gadget.
  { ...traits[kind]!, most: { bytes: 1 << 20, urbs: 64 } },
);
