import type { Command } from "commander";
import { DETACH_WITH_STOCK_TOOL, notBuilt } from "./not-built.ts";

export function addPorts(root: Command): void {
  root
    .command("ports")
    .description("what is attached here (not built yet)")
    .option("--json", "one JSON document on standard output")
    .action(notBuilt("ports", DETACH_WITH_STOCK_TOOL));
}
