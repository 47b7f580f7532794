import type { Command } from "commander";
import type { ControllerRequest } from "../daemon/controller/controlling.ts";
import type { AskedDevice } from "../daemon/controller/device-source.ts";
import { WrongUsage } from "../daemon/failure.ts";
import { unlessCancelled, untilInterrupted } from "./cancelled.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";
import { repeatable } from "./repeatable.ts";
import { table } from "./table.ts";

const HELP = `
A DEV is a device of this machine, as \`usbferry list\` lists it, also if it is plugged in later; or one of another host,
written DEV@ADDR as in 1-2@tcp:192.0.2.7:3240. A SPEC is a simulated device: see usbferry gadget list.
Devices stay with the controller when the VM starts anew; it ends with Ctrl+C, or with the VM behind a connected --fd.

The memory of the VM has to be shared:
  qemu-system-x86_64 -object memory-backend-memfd,id=m,size=4G,share=on -machine q35,memory-backend=m \\
    -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/vm1-usb.sock"}}' ...
  cloud-hypervisor --memory size=4G,shared=on --user-device socket=/run/vm1-usb.sock ...

Example: usbferry controller --socket-path /run/vm1-usb.sock --gadget keyboard --control /run/vm1-usb.control`;

export function addController(root: Command): void {
  const controller = root
    .command("controller")
    .description("a virtual xHCI controller for one VM, over vfio-user (experimental)")
    .option("--socket-path <PATH>", "the unix socket where the VMM connects")
    .option("--fd <N>", "an open unix socket, connected to the VMM or listening for it")
    .option("--device <DEV>", "plug in this device, may be repeated", repeatable)
    .option("--force", "devices also that this machine needs: a mounted disk, its last keyboard")
    .option("--gadget <SPEC>", "plug in a simulated device, may be repeated", repeatable)
    .option("--control <PATH>", "the unix socket for plug, unplug and list")
    .option("--hotplug-socket <PATH>", "the unix socket where others hand over devices that they have opened")
    .option("--control-group <GROUP>", "who may use that beside this user")
    .option("--state-dir <FOLDER>", "where nicknames and paired machines are kept")
    .addHelpText("after", HELP)
    .action(run);
  controller
    .command("list")
    .description("what is plugged in")
    .requiredOption("--control <PATH>", "the control socket of the controller")
    .option("--json", "one JSON document on standard output")
    .action(list);
  controller
    .command("plug")
    .description("plug in while the VM runs")
    .argument("<DEV|SPEC>", "a device or a gadget")
    .requiredOption("--control <PATH>", "the control socket of the controller")
    .option("--force", "also a device that this machine needs")
    .option("--json", "one JSON document on standard output")
    .action(plug);
  controller
    .command("unplug")
    .description("take away while the VM runs")
    .argument(
      "<DEV|SPEC>",
      "its name or the number of its port, as `list` shows them, or what was plugged in",
    )
    .requiredOption("--control <PATH>", "the control socket of the controller")
    .option("--json", "one JSON document on standard output")
    .action(unplug);
  controller
    .command("pass")
    .description("open a device of this machine and hand it over to a controller that may not")
    .argument("<DEV>", "bus id (1-2), vid:pid, vid:pid:serial, device node or nickname")
    .requiredOption("--hotplug-socket <PATH>", "the hot-plug socket of the controller")
    .option("--force", "also a device that this machine needs")
    .option("--state-dir <FOLDER>", "where nicknames are kept")
    .action(pass);
}

interface ControllerOptions {
  readonly socketPath?: string;
  readonly fd?: string;
  readonly device?: readonly string[];
  readonly force?: true;
  readonly gadget?: readonly string[];
  readonly control?: string;
  readonly hotplugSocket?: string;
  readonly controlGroup?: string;
  readonly stateDir?: string;
}

interface ChangeOptions {
  readonly control: string;
  readonly json?: true;
}

interface PlugOptions extends ChangeOptions {
  readonly force?: true;
}

async function run(options: ControllerOptions): Promise<void> {
  const { device: devices = [], gadget: gadgets = [], controlGroup: group, control } = options;
  const client = clientPlace(options);
  const [{ Controlling }, { StateFolder }, { openLog }, { readControlPlace }] = await Promise.all([
    import("../daemon/controller/controlling.ts"),
    import("../daemon/state/state-folder.ts"),
    import("../daemon/log.ts"),
    import("../daemon/api/control-place.ts"),
  ]);
  const place = control === undefined ? undefined : readControlPlace(control);
  if (place?.kind === "tcp")
    throw new WrongUsage("a controller is controlled at a unix socket: write its path.");
  const { hotplugSocket } = options;
  const hotplug = hotplugSocket === undefined ? undefined : ({ kind: "unix", path: hotplugSocket } as const);
  const folder = new StateFolder(options.stateDir);
  const { NO_COLOR = "" } = process.env;
  const log = openLog(NO_COLOR === "");
  const controlling = await Controlling.start(
    { client, devices, isForced: options.force === true, gadgets, control: place, hotplug, group, folder },
    log,
  );
  process.stdout.write(introduction(client, controlling.devices.list()));
  await Promise.race([untilInterrupted(), controlling.over]);
  await controlling.stop();
}

function clientPlace({ socketPath, fd }: ControllerOptions): ControllerRequest["client"] {
  if ((socketPath === undefined) === (fd === undefined)) {
    throw new WrongUsage("name where the VMM comes from: --socket-path PATH, or --fd N, and not both.");
  }
  if (socketPath !== undefined) return { kind: "unix", path: socketPath };
  if (!/^\d{1,6}$/.test(fd!)) throw new WrongUsage(`"${fd}" is no descriptor: write a number, as in --fd 3.`);
  return { kind: "fd", fd: Number(fd) };
}

function introduction(client: ControllerRequest["client"], devices: readonly AskedDevice[]): string {
  const where = client.kind === "unix" ? `at ${client.path}` : `at descriptor ${client.fd}`;
  const lines = [`The controller is ${where}, with ${devices.length} of its devices. Stop with Ctrl+C.`];
  for (const { name, note } of devices) if (note !== undefined) lines.push(`${name}: ${note}`);
  return `${lines.join("\n")}\n`;
}

async function list({ control, json }: ChangeOptions): Promise<void> {
  const { controllerState } = await import("../daemon/controller/controller-client.ts");
  const state = await unlessCancelled(controllerState(control));
  if (json === true) {
    printJson(state);
    return;
  }
  const rows = state.devices.map(asRow);
  process.stdout.write(
    rows.length === 0
      ? "Nothing is plugged in.\n"
      : table([["PORT", "NAME", "VID:PID", "SPEED", "SOURCE"], ...rows]),
  );
  process.stdout.write(state.connected ? "A VM has the controller.\n" : "No VM has the controller.\n");
}

async function plug(device: string, { control, force, json }: PlugOptions): Promise<void> {
  const { plugDevice } = await import("../daemon/controller/controller-client.ts");
  const plugged = await unlessCancelled(plugDevice(control, device, force));
  const { name, port, note } = plugged;
  if (json === true) printJson(plugged);
  else if (port === undefined) process.stdout.write(`${printable(name)} will be plugged in when it comes.\n`);
  else {
    const hint = note === undefined ? "" : ` ${printable(note)}`;
    process.stdout.write(`${printable(name)} is in port ${port}.${hint}\n`);
  }
}

interface PassOptions {
  readonly hotplugSocket: string;
  readonly force?: true;
  readonly stateDir?: string;
}

async function pass(text: string, { hotplugSocket, force, stateDir }: PassOptions): Promise<void> {
  const [{ passDevice }, { StateFolder }] = await Promise.all([
    import("../daemon/controller/hotplug-client.ts"),
    import("../daemon/state/state-folder.ts"),
  ]);
  const folder = new StateFolder(stateDir);
  const { busid } = await unlessCancelled(passDevice(hotplugSocket, text, force === true, folder));
  process.stdout.write(`${busid} is handed over.\n`);
}

async function unplug(device: string, { control, json }: ChangeOptions): Promise<void> {
  const { unplugDevice } = await import("../daemon/controller/controller-client.ts");
  const gone = await unlessCancelled(unplugDevice(control, device));
  if (json === true) printJson(gone);
  else {
    const words = gone.port === undefined ? "is waited for no more" : "is unplugged";
    process.stdout.write(`${printable(gone.name)} ${words}.\n`);
  }
}

function asRow({ name, source, port, vid, pid, speed }: AskedDevice): readonly string[] {
  return [
    port === undefined ? "-" : String(port),
    printable(name),
    vid === undefined ? "-" : `${vid}:${pid}`,
    speed ?? "waiting",
    printable(source),
  ];
}
