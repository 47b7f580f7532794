import type { Command } from "commander";
import { localState } from "../daemon/local-daemons.ts";
import { unlessCancelled } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printJson } from "./json.ts";

export function addState(root: Command): void {
  root
    .command("state")
    .description("everything that runs here, as JSON: the host, the agent")
    .option("--json", "is what it prints anyway")
    .option("--control <PATH>", CONTROL_OPTION)
    .action(async ({ control }: ControlOption) => printJson(await unlessCancelled(localState(control))));
}
