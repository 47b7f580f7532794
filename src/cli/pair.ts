import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addPair(root: Command): void {
  root
    .command("pair")
    .description("exchange certificates with another machine (not built yet)")
    .argument("[ADDR]", "the other machine")
    .action(notBuilt("pair", "Use a tunnel between the machines: ssh -R 3240:127.0.0.1:3240 OTHER-MACHINE"));
}
