import { Disk } from "../../src/gadgets/disk.ts";
import type { Gadget } from "../../src/gadgets/gadget.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { MemoryStore } from "../../src/gadgets/memory-store.ts";
import { Serial } from "../../src/gadgets/serial.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { Speed } from "../../src/usb/speed.ts";
import { attachedOverMemory } from "../support/attached-over-memory.ts";
import { importedOverMemory } from "../support/imported-over-memory.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { sharedOverMemory } from "../support/ring-pair.ts";
import { diskTraits, keyboardTraits, serialTraits, zeroTraits } from "./gadget-traits.ts";
import { RingImport } from "./ring-sink.ts";
import { type UsbDeviceTraits, usbDeviceConformance } from "./usb-device.ts";

/** What each sink can carry at a time. */
const MOST = {
  usbip: { bytes: 1 << 20, urbs: 1000 },
  wslusb: { bytes: 1 << 20, urbs: 1000 },
  ring: { bytes: 1 << 20, urbs: 50 },
  "the smallest sink": { bytes: 64 << 10, urbs: 100 },
};

/** How a device becomes another one that is at the end of a connection. */
const THROUGH = {
  usbip: importedOverMemory,
  wslusb: attachedOverMemory,
  ring: sharedOverMemory,
  "the smallest sink": (device: Gadget) => new RingImport(device),
};

/** Sinks that have nothing in common keep every promise of the device behind them. */
function throughSinks(name: string, gadget: () => Gadget, traits: UsbDeviceTraits): void {
  for (const sink of ["usbip", "wslusb", "ring", "the smallest sink"] as const) {
    const plug = async () => {
      const inner = gadget();
      const loop = new ManualLoop();
      const device = THROUGH[sink](inner, loop);
      return {
        device,
        loop,
        advance: (ms: number) => loop.advance(ms),
        unplug: () => inner.unplug(),
        done: async () => {},
      };
    };
    usbDeviceConformance(`${name} through ${sink}`, plug, { ...traits, direct: false, most: MOST[sink] });
  }
}

for (const speed of ["full", "high", "super"] as const) {
  throughSinks(`zero at ${speed} speed`, () => new Zero({ speed: Speed[speed] }), zeroTraits(Speed[speed]));
}
throughSinks("keyboard", () => new Keyboard(), keyboardTraits());
throughSinks("disk", () => new Disk({ store: new MemoryStore(1 << 20) }), diskTraits());
throughSinks("serial", () => new Serial(), serialTraits());
