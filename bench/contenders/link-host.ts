import { DataPlane } from "../../src/daemon/data-plane/data-plane.ts";
import { EventLog } from "../../src/daemon/event-log.ts";
import { ExportTable } from "../../src/daemon/export-table.ts";
import { Host } from "../../src/daemon/host.ts";
import { HOST_LIMITS } from "../../src/daemon/host-limits.ts";
import { LibuvLoop } from "../../src/daemon/libuv-loop.ts";
import { dialPlace } from "../../src/daemon/place.ts";
import { Gate, NO_RULES } from "../../src/daemon/rules/gate.ts";
import { SessionRegistry } from "../../src/daemon/session-registry.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { Trust } from "../../src/daemon/trust.ts";
import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { LinkError } from "../../src/links/link-error.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { Speed } from "../../src/usb/speed.ts";
import { warnings } from "./bench-host.ts";

/**
 * A host of eight devices at several links, as `usbferry serve` runs it: `node link-host.js FOLDER ADDRESS...`. Prints as one line
 * of JSON where it listens, or why it cannot.
 */
const [folder, ...texts] = process.argv.slice(2);
const plane = DataPlane.start(warnings);
if (plane instanceof SystemError) throw plane;
const exports = new ExportTable();
for (const busid of ["zero", "b", "c", "d", "e", "f", "g"])
  exports.add(busid, plane.plug({ kind: "zero", speed: Speed.high, pattern: 0 }));
exports.add("keyboard", new Keyboard());
const host = new Host(
  exports,
  new LibuvLoop(),
  warnings,
  HOST_LIMITS,
  new Gate(NO_RULES, { info: () => {}, warn: () => {} }),
  new SessionRegistry(new EventLog()),
  undefined,
  new Trust(new StateFolder(folder)),
);
const answers: { readonly address?: string; readonly refused?: string }[] = [];
for (const text of texts) {
  const before = new Set(host.addresses);
  try {
    await host.listen([dialPlace(text)]);
    answers.push({ address: host.addresses.find((address) => !before.has(address))! });
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    answers.push({ refused: error.message });
  }
}
console.log(JSON.stringify(answers));
