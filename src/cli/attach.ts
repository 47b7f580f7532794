import type { Command } from "commander";
import { type AttachedDevice, attach, attachFromWaiting, attachUnguarded } from "../daemon/attach.ts";
import { WrongUsage } from "../daemon/failure.ts";
import { AGENT_COMMAND } from "./agent-command.ts";
import { interruption, unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";
import { optionNotBuilt } from "./not-built.ts";

interface AttachOptions {
  readonly auto?: true;
  readonly direct?: true;
  readonly listen?: string;
  readonly json?: true;
}

const HELP = `
The device goes through the agent, which checks every answer of the host before this kernel sees it; the agent
starts by itself. With --listen the agent goes on to wait after the first device, so that a host that comes back
is attached again; an agent that was killed or ended waits again as soon as one is started, by any command that needs
it or as \`usbferry agent\`, and a host that dials finds it within ten seconds. Detaching the device ends that, and so
does \`usbferry detach --all\`. Where no DEV is named, others are waited for still, and by the next agent this one, too.

USB/IP lists no serial numbers: with vid:pid:serial each device with these numbers is imported, asked for its own
and given back if it is another.

It needs root and the kernel module vhci_hcd: sudo modprobe vhci-hcd
Example: sudo usbferry attach tcp:192.0.2.7:3240 1-2`;

export function addAttach(root: Command): void {
  root
    .command("attach")
    .description("give a shared device to this kernel; returns when its device node exists")
    .argument("[ADDR]", "the host; with --listen there is none")
    .argument("[DEV]", "bus id, vid:pid, vid:pid:serial or nickname")
    .option("--auto", "keep it attached across unplug, flash reset and host restart (not built yet)")
    .option("--direct", "hand the socket to the kernel: stock USB/IP, no live figures")
    .option("--listen <ADDR>", "wait for a host that dials in (`usbferry serve --connect`)")
    .option("--json", "one JSON document on standard output")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(
  first: string | undefined,
  second: string | undefined,
  options: AttachOptions,
): Promise<void> {
  if (options.auto === true) {
    throw optionNotBuilt(
      "--auto",
      "Attach it again when it was lost, or let the host dial: attach --listen.",
    );
  }
  const attached = await unlessCancelled(start(first, second, options));
  const { port, busid, sysfsName, node } = attached;
  if (options.json === true) printJson({ port, busid, sysfsName, node });
  else process.stdout.write(`${busid} is ${node} (${sysfsName}) on port ${port}.\n`);
}

function start(
  first: string | undefined,
  second: string | undefined,
  options: AttachOptions,
): Promise<AttachedDevice> {
  const { signal } = interruption;
  if (options.listen !== undefined) {
    if (second !== undefined) {
      throw new WrongUsage("with --listen ADDR only a DEV is named: usbferry attach --listen tcp:3240 1-2");
    }
    if (options.direct === true) {
      throw optionNotBuilt("--direct together with --listen", "Leave out --direct, or dial the host.");
    }
    return attachFromWaiting(AGENT_COMMAND, options.listen, first, signal);
  }
  if (first === undefined || second === undefined) {
    throw new WrongUsage(
      "name a host and a device: usbferry attach tcp:192.0.2.7:3240 1-2 (`usbferry list ADDR` shows them)",
    );
  }
  return options.direct === true
    ? attachUnguarded(first, second, signal)
    : attach(AGENT_COMMAND, first, second, signal);
}
