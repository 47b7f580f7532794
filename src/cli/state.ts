import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addState(root: Command): void {
  root
    .command("state")
    .description("everything, as JSON (not built yet)")
    .option("--json", "is what it prints anyway")
    .action(notBuilt("state", "`usbferry list ADDR --json` tells what a host shares."));
}
