import { AgentServer } from "../../src/daemon/agent-server.ts";
import { openLog } from "../../src/daemon/log.ts";
import { StateFolder } from "../../src/daemon/state/state-folder.ts";
import { vhciInFolder } from "../support/vhci-in-folder.ts";

/** The agent on a machine without the kernel's module, so that wishes can be made. Arguments: a folder, its socket. */
const [folder = "", path = ""] = process.argv.slice(2);
const places = [{ kind: "unix", path }] as const;
const request = { places, group: undefined, folder: new StateFolder(folder) };
await AgentServer.start(request, openLog(false), vhciInFolder(folder));
process.stdout.write("ready\n");
