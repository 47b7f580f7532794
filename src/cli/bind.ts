import type { Command } from "commander";
import { GADGETS_ONLY, notBuilt } from "./not-built.ts";

export function addBind(root: Command): void {
  root
    .command("bind")
    .description("share a device from now on (not built yet)")
    .argument("<DEV>", "bus id, vid:pid, vid:pid:serial, device node or nickname")
    .option("--force", "also a device that is in use")
    .action(notBuilt("bind", GADGETS_ONLY));
  root
    .command("unbind")
    .description("share a device no longer (not built yet)")
    .argument("[DEV]", "bus id, vid:pid, vid:pid:serial, device node or nickname")
    .option("--all", "every device")
    .action(notBuilt("unbind", GADGETS_ONLY));
}
