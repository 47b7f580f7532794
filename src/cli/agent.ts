import type { Command } from "commander";
import { ATTACH_WITH_STOCK_TOOL, notBuilt } from "./not-built.ts";

export function addAgent(root: Command): void {
  root
    .command("agent")
    .description("the resident guest side, started on demand (not built yet)")
    .action(notBuilt("agent", ATTACH_WITH_STOCK_TOOL));
}
