import type { Command } from "commander";
import { GADGET_KINDS, type GadgetKind } from "../daemon/serve.ts";
import { printJson } from "./json.ts";
import { table } from "./table.ts";

export function addGadget(root: Command): void {
  root
    .command("gadget")
    .description("simulated devices")
    .command("list")
    .description("kinds of gadget and their options")
    .option("--json", "one JSON document on standard output")
    .action(list);
}

function list(options: { readonly json?: true }): void {
  if (options.json === true) printJson({ kinds: GADGET_KINDS });
  else process.stdout.write(GADGET_KINDS.map(describe).join("\n"));
}

function describe({ name, summary, options }: GadgetKind): string {
  const rows = options.map((option) => [
    `  ${option.name}${option.values === "" ? "" : "="}`,
    option.values,
    option.description,
  ]);
  return `${name}: ${summary}\n${table(rows)}`;
}
