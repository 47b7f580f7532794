import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

const INSTEAD = "Write a systemd unit whose ExecStart is `usbferry serve` with your options.";

export function addService(root: Command): void {
  const service = root.command("service").description("run at boot (not built yet)");
  service
    .command("install")
    .description("start at boot from now on (not built yet)")
    .action(notBuilt("service install", INSTEAD));
  service
    .command("remove")
    .description("start at boot no longer (not built yet)")
    .action(notBuilt("service remove", INSTEAD));
}
