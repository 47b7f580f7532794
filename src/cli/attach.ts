import type { Command } from "commander";
import {
  type AttachedDevice,
  attach,
  attachFromWaiting,
  attachUnguarded,
  keepAttached,
  requireRingThread,
} from "../daemon/attach.ts";
import { WrongUsage } from "../daemon/failure.ts";
import { AGENT_COMMAND } from "./agent-command.ts";
import { interruption, unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";
import { optionNotBuilt } from "./not-built.ts";
import { wishLine } from "./ports.ts";
import { repeatable } from "./repeatable.ts";
import { addRingOptions, type RingOptions, readRingOptions, ringArguments } from "./ring-options.ts";

interface AttachOptions extends RingOptions {
  readonly auto?: true;
  readonly also?: readonly string[];
  readonly onAttach?: string;
  readonly onDetach?: string;
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

With --auto the device is attached again whenever it is lost: unplugged, reset, flashed, its host or the agent started
again, the network cut. One that comes back as another device, a bootloader say, is named with --also; whichever is
there is attached, the first named first. It has the same port each time, so that names in /dev stay. It need not be
plugged in yet: then the command says that it waits, and why, and ends with 0 all the same (--json: there is
no "port", and "wish" has a "reason"). \`usbferry ports\` shows it; \`usbferry detach PORT\`, or its id, ends it. A usbferry host
tells by itself what is plugged in; any other is asked for its list.

--on-attach and --on-detach name a program with its arguments, which the agent runs without a shell, one at a time, for
a minute at most. It has in its environment: USBFERRY_EVENT (attach, detach), _WISH, _HOST, _BUSID, _VID, _PID,
_SERIAL (if the host tells it), _PORT, _DEVNODE (/dev/bus/usb/...) and _DEVNODES (/dev/ttyACM0 ...). For a shell name one:
--on-attach "sh -c 'stty -F $USBFERRY_DEVNODES raw'"

Where no driver of this kernel uses the device it says so on standard error, and why (--json: "notes", the findings of
\`usbferry doctor\`).

With wslusb+ADDR all devices of a usbferry host come over one connection, which tells by itself what is plugged in and
lets a keyboard pass a disk. --direct does not go with it: the kernel speaks USB/IP alone.

USB/IP lists no serial numbers: with vid:pid:serial each device with these numbers is imported, asked for its own
and given back if it is another.

--ring-look and --ring-cpu are for the agent that this starts; one that runs already must have been started with the same.

In a virtual machine vsock:PORT is the host that it runs on, as is --listen vsock:PORT; tls: needs paired machines (usbferry pair)
and does not go with --direct.
With memory that a QEMU guest shares with its host (an ivshmem device; docs/links.md) the host is at ring:pci:ADDRESS, where
\`lspci -d 1af4:1110\` tells the address; both wake each other by the virtio-serial port usbferry.ring, or ring:pci:ADDRESS,port=NAME.

It needs root and the kernel module vhci_hcd: sudo modprobe vhci-hcd
Examples:
  sudo usbferry attach tcp:192.0.2.7:3240 1-2
  sudo usbferry attach tcp:192.0.2.7:3240 2341:8036 --auto --also 2341:0036`;

export function addAttach(root: Command): void {
  const command = root
    .command("attach")
    .description("give a shared device to this kernel; returns when its device node exists")
    .argument("[ADDR]", "the host; with --listen there is none")
    .argument("[DEV]", "bus id, vid:pid, vid:pid:serial or nickname")
    .option("--auto", "keep it attached across unplug, flash reset and host restart")
    .option("--also <DEV>", "with --auto: what the same device may come back as, may be repeated", repeatable)
    .option("--on-attach <COMMAND>", "with --auto: run it each time the device was attached")
    .option("--on-detach <COMMAND>", "with --auto: run it each time the device is gone")
    .option("--direct", "hand the socket to the kernel: stock USB/IP, no live figures")
    .option("--listen <ADDR>", "wait for a host that dials in (`usbferry serve --connect`)")
    .option("--json", "one JSON document on standard output");
  addRingOptions(command).addHelpText("after", HELP).action(run);
}

async function run(
  first: string | undefined,
  second: string | undefined,
  options: AttachOptions,
): Promise<void> {
  const agent = await agentCommand(options);
  if (options.auto === true) {
    await keep(agent, first, second, options);
    return;
  }
  for (const name of ["also", "onAttach", "onDetach"] as const) {
    if (options[name] === undefined) continue;
    const option = `--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new WrongUsage(`${option} belongs to --auto: usbferry attach ADDR DEV --auto ${option} ...`);
  }
  const attached = await unlessCancelled(start(agent, first, second, options));
  await tell(attached, {}, options);
}

/** What is attached, what belongs to it, and what a user will miss. */
async function tell(attached: AttachedDevice, more: object, { json }: AttachOptions): Promise<void> {
  const { port, busid, sysfsName, node } = attached;
  if (json !== true) process.stdout.write(attachedLine(attached));
  // Loaded when the device is there already.
  const { driverNotes } = await import("../daemon/driver-notes.ts");
  const notes = await unlessCancelled(driverNotes(sysfsName));
  if (json === true) printJson({ port, busid, sysfsName, node, notes, ...more });
  else
    for (const { what, why = "", next = [] } of notes) {
      process.stderr.write(`usbferry: note: ${printable([what, why, ...next].join(" "))}\n`);
    }
}

/** Names of devices and modules are strangers' words; none of them shall speak to the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** What runs an agent, with what it is to be told. */
async function agentCommand(options: AttachOptions): Promise<readonly string[]> {
  const ring = ringArguments(options);
  if (ring.length === 0) return AGENT_COMMAND;
  if (options.direct === true) {
    throw new WrongUsage(
      "--ring-look and --ring-cpu are for the agent, which --direct leaves out. Leave them out, too.",
    );
  }
  await unlessCancelled(requireRingThread(readRingOptions(options)));
  return [...AGENT_COMMAND, ...ring];
}

async function keep(
  agent: readonly string[],
  address: string | undefined,
  device: string | undefined,
  options: AttachOptions,
): Promise<void> {
  const { also = [], onAttach, onDetach, direct, listen, json } = options;
  if (listen !== undefined) {
    throw new WrongUsage(
      "attach --listen waits again by itself: leave out --auto, or name the host and leave out --listen.",
    );
  }
  if (direct === true) {
    throw optionNotBuilt(
      "--direct together with --auto",
      "Leave out --direct: what is kept attached goes through the agent.",
    );
  }
  if (address === undefined || device === undefined) throw nothingNamed();
  const request = { address, named: [device, ...also], onAttach, onDetach };
  const { wish, device: attached } = await unlessCancelled(keepAttached(agent, request, interruption.signal));
  if (attached !== undefined) await tell(attached, { wish }, options);
  else if (json === true) printJson({ wish });
  if (json === true) return;
  process.stdout.write(`${wishLine(wish)} End it with: usbferry detach ${attached?.port ?? wish.id}\n`);
}

function attachedLine({ busid, node, sysfsName, port }: AttachedDevice): string {
  return `${busid} is ${node} (${sysfsName}) on port ${port}.\n`;
}

function nothingNamed(): WrongUsage {
  return new WrongUsage(
    "name a host and a device: usbferry attach tcp:192.0.2.7:3240 1-2 (`usbferry list ADDR` shows them)",
  );
}

function start(
  agent: readonly string[],
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
    return attachFromWaiting(agent, options.listen, first, signal);
  }
  if (first === undefined || second === undefined) throw nothingNamed();
  return options.direct === true
    ? attachUnguarded(first, second, signal)
    : attach(agent, first, second, signal);
}
