import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addKick(root: Command): void {
  root
    .command("kick")
    .description("cut a session (not built yet)")
    .argument("<PORT|SESSION>", "a port here, or a session of the host")
    .action(
      notBuilt("kick", "Stopping `usbferry serve` cuts all its sessions; `usbip detach -p PORT` cuts one."),
    );
}
