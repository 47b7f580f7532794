import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));

/** Runs an agent, as an argument vector. */
export const AGENT_COMMAND: readonly string[] = [process.execPath, ...process.execArgv, MAIN, "agent"];
