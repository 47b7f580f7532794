import { DataPlane } from "../../src/daemon/data-plane/data-plane.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { Speed } from "../../src/usb/speed.ts";
import { startHost, warnings } from "./bench-host.ts";
import { report } from "./collections.ts";

/** The host as `usbferry serve --gadget zero` runs it on Linux: the gadget and its sessions in a worker. */
const plane = DataPlane.start(warnings);
if (plane instanceof SystemError) throw plane;
const port = await startHost(plane.plug({ kind: "zero", speed: Speed.high, pattern: 0 }));
report(port, () => plane.memory());
