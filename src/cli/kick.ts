import type { Command } from "commander";
import { kick } from "../daemon/local-daemons.ts";
import { unlessCancelled } from "./cancelled.ts";
import { CONTROL_OPTION, type ControlOption } from "./control.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";

const HELP = `
The device is free again; a guest that waits or dials by itself may take it again.
Sessions: usbferry list. Ports: usbferry ports.`;

export function addKick(root: Command): void {
  root
    .command("kick")
    .description("cut a session")
    .argument("<PORT|SESSION>", "a port here, or a session of the host (s1)")
    .option("--json", "one JSON document on standard output")
    .option("--control <PATH>", CONTROL_OPTION)
    .addHelpText("after", HELP)
    .action(run);
}

async function run(target: string, options: ControlOption & { readonly json?: true }): Promise<void> {
  const kicked = await unlessCancelled(kick(target, options.control));
  if (options.json === true) printJson(kicked);
  else if ("port" in kicked) process.stdout.write(`Cut the session on port ${kicked.port}.\n`);
  else {
    const { id, peer, device } = kicked.session;
    const had = device === undefined ? "had no device" : `had ${printable(device.busid)}`;
    process.stdout.write(`Cut the session ${id}: ${printable(peer)} ${had}.\n`);
  }
}
