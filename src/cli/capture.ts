import type { Command } from "commander";
import { notBuilt } from "./not-built.ts";

export function addCapture(root: Command): void {
  root
    .command("capture")
    .description("record a device as pcapng for Wireshark (not built yet)")
    .argument("<DEV>", "bus id, vid:pid, vid:pid:serial or nickname")
    .option("-o, --output <FILE|->", "where to write")
    .action(
      notBuilt(
        "capture",
        "Linux records by itself: sudo modprobe usbmon, then capture usbmon0 in Wireshark.",
      ),
    );
}
