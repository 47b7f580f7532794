import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { agentSocket } from "../daemon/agent-protocol.ts";
import { AgentServer } from "../daemon/agent-server.ts";
import { openLog } from "../daemon/log.ts";
import { interruption } from "./cancelled.ts";

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));

/** Runs an agent, as an argument vector. */
export const AGENT_COMMAND: readonly string[] = [process.execPath, ...process.execArgv, MAIN, "agent"];

const HELP = `
\`usbferry attach\` starts it by itself. It ends when nothing was attached for 30 seconds; ending it detaches what
it keeps. Its socket is /run/usbferry/agent.sock, for other users than root in $XDG_RUNTIME_DIR, or what
USBFERRY_AGENT names; the log of an agent that was started by itself is agent.log beside it.`;

export function addAgent(root: Command): void {
  root
    .command("agent")
    .description("the resident guest side: keeps what is attached; started on demand")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(): Promise<void> {
  const { NO_COLOR = "" } = process.env;
  const server = await AgentServer.start(agentSocket(), openLog(NO_COLOR === ""));
  await server.untilIdle(interruption.signal);
  await server.stop();
}
