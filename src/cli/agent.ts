import type { Command } from "commander";
import { AgentServer } from "../daemon/agent-server.ts";
import { agentSocket, readControlPlace } from "../daemon/api/control-place.ts";
import { openLog } from "../daemon/log.ts";
import { StateFolder } from "../daemon/state/state-folder.ts";
import { Supervisor } from "../daemon/supervisor.ts";
import { interruption } from "./cancelled.ts";
import { controlled } from "./control.ts";
import { repeatable } from "./repeatable.ts";
import { addRingOptions, type RingOptions, readRingOptions } from "./ring-options.ts";

const HELP = `
\`usbferry attach\` starts it by itself. It ends when nothing was attached or waited for in 30 seconds; ending it
detaches what it keeps. Where hosts are waited for (\`usbferry attach --listen\`) and what is kept attached (\`--auto\`) is
on disk: the next agent goes on with it, until \`usbferry detach\` ends it. Its socket is /run/usbferry/agent.sock, for other users than root in $XDG_RUNTIME_DIR, or what
USBFERRY_AGENT names; the log of an agent that was started by itself is agent.log beside it.`;

export function addAgent(root: Command): void {
  const command = root
    .command("agent")
    .description("the resident guest side: keeps what is attached; started on demand")
    .option(
      "--control <PATH|tcp:PORT>",
      "where it is controlled beside its own socket, may be repeated",
      repeatable,
    )
    .option("--control-group <GROUP>", "who may control it beside this user")
    .option("--state-dir <FOLDER>", "where wishes are kept (default: /var/lib/usbferry, or the user's own)");
  addRingOptions(command).addHelpText("after", HELP).action(run);
}

interface AgentOptions extends RingOptions {
  readonly control?: readonly string[];
  readonly controlGroup?: string;
  readonly stateDir?: string;
}

async function run({ control = [], controlGroup: group, stateDir, ...options }: AgentOptions): Promise<void> {
  const supervisor = Supervisor.take(process.env);
  const { NO_COLOR = "" } = process.env;
  const own = { kind: "unix", path: agentSocket() } as const;
  const others = control.map(readControlPlace).filter((place) => place !== undefined);
  const ring = readRingOptions(options);
  const request = { places: [own, ...others], group, folder: new StateFolder(stateDir), ring };
  const server = await AgentServer.start(request, openLog(NO_COLOR === ""));
  if (control.length > 0)
    process.stdout.write(controlled({ control: server.addresses, tokenPath: server.tokenPath }));
  supervisor.ready("keeps what is attached and wished for");
  await server.untilIdle(interruption.signal);
  supervisor.stopping();
  await server.stop();
}
