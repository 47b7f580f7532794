import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import type { Binding, Bound, Unbound } from "../daemon/hardware/binding.ts";
import { bindingThrough } from "../daemon/hardware/binding-through.ts";
import { hostPlace } from "../daemon/local-daemons.ts";
import { deviceNamed } from "../daemon/state/device-name.ts";
import { StateFolder } from "../daemon/state/state-folder.ts";
import { unlessCancelled } from "./cancelled.ts";
import { CONTROL_OPTION } from "./control.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";
import { warn } from "./warning.ts";

interface BindOptions {
  readonly stateDir?: string;
  readonly control?: string;
  readonly json?: true;
}

const DEV = "bus id (1-2), vid:pid, vid:pid:serial, device node or nickname";

const HELP = `
A bound device is shared by \`usbferry serve\`, also after it was unplugged and after a restart. It is known again by its
serial number, or, without one of its own, by the port that it is plugged into. The drivers of this machine keep it until a
guest takes it, and have it back when the guest gives it back.

What this machine needs itself is bound with --force only: a hub, its last keyboard, a disk with a mounted file system.

Example: usbferry list
         usbferry bind 1-2`;

const UNBIND_HELP = `
Whoever has the device loses it, and the drivers of this machine have it back.`;

export function addBind(root: Command): void {
  withPlaces(
    root
      .command("bind")
      .description("share a device from now on")
      .argument("<DEV>", DEV)
      .option("--force", "also what this machine needs itself")
      .addHelpText("after", HELP)
      .action(bind),
  );
}

export function addUnbind(root: Command): void {
  withPlaces(
    root
      .command("unbind")
      .description("share a device no longer")
      .argument("[DEV]", DEV)
      .option("--all", "every device")
      .addHelpText("after", UNBIND_HELP)
      .action(unbind),
  );
}

function withPlaces(command: Command): void {
  command
    .option("--state-dir <FOLDER>", "where binds are kept")
    .option("--control <PATH|tcp:PORT>", CONTROL_OPTION)
    .option("--json", "one JSON document on standard output");
}

async function bind(text: string, options: BindOptions & { readonly force?: true }): Promise<void> {
  const device = await deviceNamed(text, new StateFolder(options.stateDir));
  const bound = await through(options, (binding) => binding.bind(device, options.force === true));
  for (const warning of bound.warnings) warn(warning);
  if (options.json === true) printJson(bound);
  else process.stdout.write(`${wordsOf(bound)} is shared from now on.\n`);
}

async function unbind(
  text: string | undefined,
  options: BindOptions & { readonly all?: true },
): Promise<void> {
  if ((text === undefined) === (options.all === undefined)) {
    throw new WrongUsage("name a DEV, as `usbferry list` lists it, or --all.");
  }
  const device = text && (await deviceNamed(text, new StateFolder(options.stateDir)));
  const unbound = await through(options, (binding) =>
    device === undefined ? binding.unbindAll() : binding.unbind(device),
  );
  for (const { busid, stillShared } of unbound) {
    if (stillShared !== undefined) warn(`${busid} is shared all the same: ${stillShared}.`);
  }
  if (options.json === true) printJson({ unbound });
  else if (unbound.length === 0) process.stdout.write("Nothing was bound.\n");
  else process.stdout.write(unbound.map((each) => `${wordsOf(each)} is not bound any more.\n`).join(""));
}

function through<T>({ stateDir, control }: BindOptions, work: (binding: Binding) => Promise<T>): Promise<T> {
  return unlessCancelled(bindingThrough(new StateFolder(stateDir), hostPlace(control), work));
}

/** "1-2 (0525:a4a0:serial)" */
function wordsOf({ busid, identity }: Bound | Unbound): string {
  const known = printable(identity);
  return busid === undefined ? known : `${busid} (${known})`;
}
