import { type Command, Option } from "commander";
import { readToken } from "../daemon/api/token-file.ts";
import { failureKind, WrongUsage } from "../daemon/failure.ts";
import { RoomLogs } from "../daemon/log.ts";
import { LOG_LEVELS, LOG_ROOMS, parseLogLevels } from "../daemon/log-levels.ts";
import { dialPlace, listenPlace, seenFromThere } from "../daemon/place.ts";
import { HandedSockets, type ServeRequest, Serving } from "../daemon/serve.ts";
import { Supervisor } from "../daemon/supervisor.ts";
import { onHangup, untilInterrupted } from "./cancelled.ts";
import { CONTROL_HELP, controlled } from "./control.ts";
import { invocation } from "./invocation.ts";
import { repeatable } from "./repeatable.ts";
import { addRingOptions, type RingOptions, readRingOptions } from "./ring-options.ts";

interface ServeOptions extends RingOptions {
  readonly listen?: readonly string[];
  readonly connect?: readonly string[];
  readonly device?: readonly string[];
  readonly gadget?: readonly string[];
  readonly dataPlane?: "worker" | "main";
  readonly usbBackend?: "usbfs" | "libusb";
  readonly config?: string;
  readonly stateDir?: string;
  readonly drain?: string;
  readonly trace?: string;
  readonly logLevel?: string;
  readonly dashboard?: string;
  readonly control?: readonly string[];
  readonly controlGroup?: string;
}

const LONGEST_DRAIN_SECONDS = 3_600;

const HELP = `
${CONTROL_HELP}

Without a rule, devices are for this machine only (loopback and unix sockets), and for guests that --connect names.
Listening elsewhere needs a rule that allows something there: see usbferry policy --help, or rules in the file.
An address is tcp:[HOST:]PORT, tls:[HOST:]PORT (paired machines, see usbferry pair), unix:PATH, vsock:[CID:]PORT, or
fc-vsock:PATH:PORT (the vsock socket of Firecracker and Cloud Hypervisor), ring:PATH (memory, for programs of this machine), or
ring:file:MEMORY,port=SOCKET (memory that a QEMU guest has as an ivshmem device, and its virtio-serial port); docs/links.md
tells what each is for.
USB/IP and WSL-USB clients come to the same address and are told apart; --listen wslusb+ADDR only says in whose words a
client is answered that speaks neither. --connect wslusb+ADDR brings all devices over one connection, to a guest that waits
there: usbferry attach --listen wslusb+ADDR.
What is said here wins over the same key of the file. SIGHUP reads the file again, and sessions go on.

Log levels: LEVEL or ROOM=LEVEL, separated by commas, as in info,rules=debug.
  levels: ${LOG_LEVELS.join(", ")}; rooms: ${LOG_ROOMS.join(", ")}

Example: usbferry serve --gadget zero --gadget keyboard
Kinds of gadget and their options: usbferry gadget list`;

export function addServe(root: Command): void {
  const command = root
    .command("serve")
    .description("the host: shares bound devices, those named, and gadgets")
    .option(
      "--listen <ADDR>",
      "where to listen, may begin with wslusb+, may be repeated (default, unless it dials: tcp:127.0.0.1:3240)",
      repeatable,
    )
    .option(
      "--connect <ADDR>",
      "dial a guest that waits (`usbferry attach --listen`), may be repeated",
      repeatable,
    )
    .option(
      "--device <DEV>",
      "share this device of this machine, also if it is plugged in later; may be repeated",
      repeatable,
    )
    .option(
      "--gadget <SPEC>",
      "share a simulated device: kind[,option=value]...; may be repeated",
      repeatable,
    )
    .addOption(
      new Option(
        "--data-plane <THREAD>",
        "where simulated devices run that need nothing of this machine: in a worker thread with direct system calls, the fast path (default where Linux and koffi are), or on the main thread",
      ).choices(["worker", "main"]),
    )
    .addOption(
      new Option(
        "--usb-backend <NAME>",
        "by what devices of this machine are used: usbfs, Linux's own (default there), or libusb (elsewhere; experimental)",
      ).choices(["usbfs", "libusb"]),
    )
    .option("--config <FILE>", "read the configuration from a file (docs/configuration.md)")
    .option(
      "--control <PATH|tcp:PORT|off>",
      "where it is controlled (`usbferry list`, `state`, `kick`), may be repeated",
      repeatable,
    )
    .option("--control-group <GROUP>", "who may control it beside this user")
    .option("--state-dir <FOLDER>", "where rules are kept (default: /var/lib/usbferry, or the user's own)")
    .option("--drain <SECONDS>", "how long stopping waits for clients to close (default: 2)")
    .option("--trace <FILE>", "at the end, write how long the last URBs took where, for chrome://tracing")
    .option("--log-level <LEVELS>", "what the log tells (default: info)")
    .option(
      "--dashboard <ADDR|off>",
      "where the dashboard listens, on this machine alone: tcp:PORT (default: off)",
    );
  addRingOptions(command).addHelpText("after", HELP).action(run);
}

async function run(options: ServeOptions): Promise<void> {
  const request = readRequest(options);
  const supervisor = Supervisor.take(process.env);
  const { NO_COLOR = "" } = process.env;
  const logs = new RoomLogs(NO_COLOR === "", request.log);
  let isHungUp = false;
  let reload = (): void => {
    isHungUp = true;
  };
  if (request.config !== undefined) onHangup(() => reload());
  const serving = await Serving.start({ ...request, handed: HandedSockets.take(process.env) }, logs);
  reload = () => void reloaded(serving, supervisor);
  process.stdout.write(introduction(serving));
  if (request.control !== undefined) process.stdout.write(controlled(serving));
  process.stdout.write(dashboardWords(serving, process.stdout.isTTY));
  supervisor.ready(summary(serving));
  if (isHungUp) reload();
  await untilInterrupted();
  supervisor.stopping();
  await serving.stop();
}

async function reloaded(serving: Serving, supervisor: Supervisor): Promise<void> {
  supervisor.reloading();
  try {
    await serving.reload();
  } catch (error) {
    // It is in the log why, and everything is as it was.
    if (failureKind(error) === "defect") throw error;
  }
  supervisor.ready(summary(serving));
}

function readRequest(options: ServeOptions): ServeRequest {
  const {
    listen,
    connect,
    gadget: gadgets,
    device: devices,
    dataPlane,
    usbBackend,
    config,
    stateDir: stateFolder,
  } = options;
  const { control, controlGroup, dashboard, drain, trace, logLevel } = options;
  return {
    listen,
    connect,
    gadgets,
    devices,
    dataPlane,
    usbBackend,
    config,
    stateFolder,
    control,
    controlGroup,
    dashboard,
    trace,
    drainMs: drain === undefined ? undefined : readDrain(drain),
    log: logLevel === undefined ? undefined : parseLogLevels(logLevel),
    ring: readRingOptions(options),
  };
}

function readDrain(text: string): number {
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= LONGEST_DRAIN_SECONDS)) {
    throw new WrongUsage(`"${text}" is no time to drain: write seconds, from 0 to ${LONGEST_DRAIN_SECONDS}.`);
  }
  return seconds * 1_000;
}

/** Where the dashboard is. A link that lets one in is for a person at a terminal, and not for a log. */
function dashboardWords({ dashboard, tokenPath }: Serving, isTerminal: boolean): string {
  if (dashboard === undefined || tokenPath === undefined) return "";
  return isTerminal
    ? `Dashboard: ${dashboard}#token=${readToken(tokenPath)}\n`
    : `Dashboard: ${dashboard} asks for the token in ${tokenPath}.\n`;
}

/** How one gets at a device from where one can. */
function next(address: string, busid: string): readonly string[] {
  const place = listenPlace(address, "host", () => true);
  const there = seenFromThere(place, "dials");
  switch (place.kind) {
    case "tls":
      return [
        `On a paired machine (usbferry pair): sudo usbferry attach tls:THIS-MACHINE:${place.port} ${busid}`,
      ];
    case "vsock":
    case "fc-vsock":
    case "ring-file":
      return [`In the virtual machine: sudo usbferry attach ${there} ${busid}`];
    default:
      return [
        `See them from here: ${invocation()} list ${there}`,
        `Give ${busid} to this kernel: sudo ${invocation()} attach ${there} ${busid}`,
      ];
  }
}

function summary({ addresses, busids, guests }: Serving): string {
  const places = [...addresses, ...guests].join(", ");
  return `shares ${busids.length === 0 ? "nothing yet" : busids.join(", ")} on ${places}`;
}

/** What is served, and what to do next. */
function introduction({ addresses, busids, guests, notes }: Serving): string {
  const [first] = busids;
  const lines: string[] = [];
  if (first === undefined) {
    const where = addresses.length === 0 ? "" : ` on ${addresses.join(" and ")}`;
    lines.push(`Sharing nothing yet${where}. Stop with Ctrl+C.`);
    lines.push(`Share a device of this machine: ${invocation()} list, then ${invocation()} bind DEV`);
    return `${lines.join("\n")}\n`;
  }
  if (guests.length > 0) {
    lines.push(`Bringing ${busids.join(", ")} to ${guests.join(" and ")}. Stop with Ctrl+C.`);
    const there = seenFromThere(dialPlace(guests[0]!), "listens");
    lines.push(`There, in the guest: sudo usbferry attach --listen ${there}`);
  }
  if (addresses.length > 0) {
    lines.push(`Sharing ${busids.join(", ")} on ${addresses.join(" and ")}. Stop with Ctrl+C.`);
    lines.push(...notes);
    lines.push(...next(addresses[0]!, first));
  }
  return `${lines.join("\n")}\n`;
}
