import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addBench(root: Command): void {
  root
    .command("bench")
    .description("latency and throughput, with the baseline beside it (not built yet)")
    .argument("[ADDR]", "the host")
    .argument("[DEV]", "a device it shares")
    .action(notBuilt("bench", "Attach the gadget zero and run the kernel's usbtest on it."));
}
