import { join } from "node:path";
import { RoomLogs } from "../../src/daemon/log.ts";
import { Serving } from "../../src/daemon/serving.ts";
import { report } from "./collections.ts";

/** The host as `usbferry serve --gadget zero --control FOLDER/serve.sock` runs it on Linux. */
const folder = process.argv[2]!;
const serving = await Serving.start(
  {
    listen: ["tcp:127.0.0.1:0"],
    gadgets: ["zero"],
    dataPlane: "worker",
    control: [join(folder, "serve.sock")],
    stateFolder: join(folder, "state"),
    log: { default: "warn", audit: "warn" },
  },
  new RoomLogs(false),
);
report(Number(serving.addresses[0]!.split(":").at(-1)));
