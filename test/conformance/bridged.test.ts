import assert from "node:assert/strict";
import { after } from "node:test";
import { DataPlane } from "../../src/daemon/data-plane/data-plane.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { BridgedGadget } from "../../src/daemon/wslusb/bridged-gadget.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { Speed } from "../../src/usb/speed.ts";
import { zeroTraits } from "./gadget-traits.ts";
import { usbDeviceConformance } from "./usb-device.ts";

const silent = { info: () => {}, warn: () => {} };
const plane = DataPlane.start(silent);
assert(!(plane instanceof SystemError));
after(() => plane.stop());

usbDeviceConformance(
  "zero of the data plane, on the main thread",
  async () => {
    const gadget = plane.plug({ kind: "zero", speed: Speed.high, pattern: 0 });
    const exported = { busid: "zero", path: "test", busnum: 1, devnum: 1, device: gadget, attached: true };
    return {
      device: new BridgedGadget(gadget, exported),
      loop: new LibuvLoop(),
      unplug: () => gadget.unplug(),
      done: async () => {},
    };
  },
  { ...zeroTraits(Speed.high), direct: false, most: { bytes: 1 << 20, urbs: 1000 } },
);
