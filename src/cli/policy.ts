import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

const INSTEAD = "Until there are rules, everything is offered to this machine alone.";

export function addPolicy(root: Command): void {
  const policy = root.command("policy").description("rules: allow, deny, bind by themselves (not built yet)");
  policy
    .command("add")
    .description("add a rule (not built yet)")
    .argument("<RULE...>", "what to allow, deny or bind")
    .action(notBuilt("policy add", INSTEAD));
  policy
    .command("list")
    .description("the rules (not built yet)")
    .option("--json", "one JSON document on standard output")
    .action(notBuilt("policy list", INSTEAD));
  policy
    .command("remove")
    .description("remove a rule (not built yet)")
    .argument("<RULE>", "as `usbferry policy list` names it")
    .action(notBuilt("policy remove", INSTEAD));
}
