import type { Command } from "commander";
import { DETACH_WITH_STOCK_TOOL, notBuilt } from "./not-built.ts";

export function addDetach(root: Command): void {
  root
    .command("detach")
    .description("take an attached device away from this kernel (not built yet)")
    .argument("[PORT]", "as `usbferry ports` lists it")
    .option("--all", "every port")
    .action(notBuilt("detach", DETACH_WITH_STOCK_TOOL));
}
