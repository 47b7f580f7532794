import { after } from "node:test";
import type { KernelName } from "./debian/preparation.ts";
import { type Scenario, scenarios } from "./scenario.ts";
import { newBar, removeBar, type SharedBar, sharedBarArguments } from "./shared-bar.ts";

/** Runs scenarios one after the other in one guest that shares memory with this machine. */
export function ringScenarios(kernel: KernelName, list: (bar: SharedBar) => readonly Scenario[]): void {
  const bar = newBar(`linux-${kernel}`);
  after(() => removeBar(bar));
  scenarios(kernel, list(bar), {
    modules: ["vhci-hcd"],
    controllers: ["xhci"],
    qemuArguments: sharedBarArguments(bar),
  });
}
