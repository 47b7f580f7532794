import { Controlling } from "../../src/daemon/controller/controlling.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { warnings } from "./bench-host.ts";

/** The controller as `usbferry controller --socket-path PATH` runs it: `node controller-side.js PATH STATE [LOOK_MS]`. */
const [path, state, lookMs] = process.argv.slice(2);
await Controlling.start(
  {
    client: { kind: "unix", path: path! },
    devices: [],
    isForced: false,
    gadgets: [],
    control: undefined,
    hotplug: undefined,
    group: undefined,
    folder: new StateFolder(state),
    ...(lookMs !== undefined && { lookMs: Number(lookMs) }),
  },
  warnings,
);
process.on("disconnect", () => process.exit());
process.send!("ready");
