import { type Command, Option } from "commander";
import { localState } from "../daemon/local-daemons.ts";
import { unlessCancelled } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printJson } from "./json.ts";
import { stateText } from "./state-text.ts";

interface StateOptions extends ControlOption {
  readonly text?: true;
}

const HELP = `
Of a device that comes through shared memory (ring:), at the host and at the agent: how full the rings and the data slots are
and were at most, how long requests took (half, 99 % and 99.9 % of them), what was refused and why, how often the data
of a request were copied, and the epochs of the session. docs/api.md names each figure.`;

export function addState(root: Command): void {
  root
    .command("state")
    .description("everything that runs here, as JSON: the host, the agent")
    .addOption(new Option("--json", "is what it prints anyway").conflicts("text"))
    .option("--text", "tables for people instead, of what is carried")
    .option("--control <PATH>", CONTROL_OPTION)
    .addHelpText("after", HELP)
    .action(async ({ control, text }: StateOptions) => {
      const state = await unlessCancelled(localState(control));
      if (text === true) process.stdout.write(stateText(state));
      else printJson(state);
    });
}
