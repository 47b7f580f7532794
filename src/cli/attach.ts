import type { Command } from "commander";
import { ATTACH_WITH_STOCK_TOOL, notBuilt } from "./not-built.ts";

export function addAttach(root: Command): void {
  root
    .command("attach")
    .description("give a shared device to this kernel (not built yet)")
    .argument("[ADDR]", "the host; with --listen there is none")
    .argument("[DEV]", "bus id, vid:pid, vid:pid:serial or nickname")
    .option("--auto", "keep it attached across unplug, flash reset and host restart")
    .option("--direct", "hand the socket to the kernel: stock USB/IP, no live figures")
    .option("--listen <ADDR>", "wait for a host that dials in")
    .action(notBuilt("attach", ATTACH_WITH_STOCK_TOOL));
}
