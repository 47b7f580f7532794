import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addTop(root: Command): void {
  root
    .command("top")
    .description("live table of devices, URB/s, MB/s and latency (not built yet)")
    .action(notBuilt("top", "The log of `usbferry serve` tells of sessions."));
}
