import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addDoctor(root: Command): void {
  root
    .command("doctor")
    .description("find what stands in the way, hop by hop (not built yet)")
    .argument("[ADDR]", "the host to reach")
    .action(notBuilt("doctor", "`usbferry list ADDR` says why a host cannot be reached."));
}
