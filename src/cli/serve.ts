import { type Command, Option } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { openLog } from "../daemon/log.ts";
import { type Serving, serve } from "../daemon/serve.ts";
import { untilInterrupted } from "./cancelled.ts";
import { CONTROL_HELP, controlled } from "./control.ts";
import { invocation } from "./invocation.ts";
import { optionNotBuilt } from "./not-built.ts";
import { repeatable } from "./repeatable.ts";

interface ServeOptions {
  readonly listen?: readonly string[];
  readonly connect?: readonly string[];
  readonly device?: readonly string[];
  readonly gadget?: readonly string[];
  readonly dataPlane?: "worker" | "main";
  readonly config?: string;
  readonly dashboard: string;
  readonly control?: readonly string[];
  readonly controlGroup?: string;
}

const DEFAULT_LISTEN = "tcp:127.0.0.1:3240";

const HELP = `
${CONTROL_HELP}

Devices are offered on this machine only (loopback and unix sockets): listening elsewhere needs a rule that
allows it, and rules are not built yet. To let another machine in, use a tunnel, for example
  ssh -R 3240:127.0.0.1:3240 OTHER-MACHINE

Example: usbferry serve --gadget zero --gadget keyboard
Kinds of gadget and their options: usbferry gadget list`;

export function addServe(root: Command): void {
  root
    .command("serve")
    .description("the host: shares gadgets (bound and named devices are not built yet)")
    .option(
      "--listen <ADDR>",
      `where to listen, may be repeated (default, unless it dials: ${DEFAULT_LISTEN})`,
      repeatable,
    )
    .option(
      "--connect <ADDR>",
      "dial a guest that waits (`usbferry attach --listen`), may be repeated",
      repeatable,
    )
    .option("--device <DEV>", "share this device (not built yet)", repeatable)
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
    .option("--config <FILE>", "read the configuration from a file (not built yet)")
    .option(
      "--control <PATH|tcp:PORT|off>",
      "where it is controlled (`usbferry list`, `state`, `kick`), may be repeated",
      repeatable,
    )
    .option("--control-group <GROUP>", "who may control it beside this user")
    .option("--dashboard <ADDR|off>", "where the dashboard listens (not built yet)", "off")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(options: ServeOptions): Promise<void> {
  refuseNotBuilt(options);
  const { connect = [], gadget: gadgets = [], dataPlane } = options;
  const listen = options.listen ?? (connect.length > 0 ? [] : [DEFAULT_LISTEN]);
  const { NO_COLOR = "" } = process.env;
  const log = openLog(NO_COLOR === "");
  const { control, controlGroup } = options;
  const serving = await serve(
    { listen, connect, gadgets, control, controlGroup, ...(dataPlane !== undefined && { dataPlane }) },
    log,
  );
  process.stdout.write(introduction(serving, connect));
  if (control !== undefined) process.stdout.write(controlled(serving));
  await untilInterrupted();
  await serving.stop();
}

function refuseNotBuilt(options: ServeOptions): void {
  if (options.device !== undefined) {
    throw optionNotBuilt("--device", "Share a gadget, for example --gadget zero.");
  }
  if (options.config !== undefined) {
    throw optionNotBuilt("--config", "Say it with --listen and --gadget.");
  }
  if (options.dashboard !== "off") {
    throw optionNotBuilt("--dashboard", "Leave it out, or write --dashboard off.");
  }
  if (options.gadget === undefined) {
    throw new WrongUsage(
      "there is nothing to share: name a gadget, for example --gadget zero. Devices of this machine are not built yet.",
    );
  }
}

/** What is served, and what to do next. */
function introduction({ addresses, busids, notes }: Serving, connect: readonly string[]): string {
  const [first] = busids;
  const lines: string[] = [];
  if (connect.length > 0) {
    lines.push(`Bringing ${busids.join(", ")} to ${connect.join(" and ")}. Stop with Ctrl+C.`);
    lines.push(`There, in the guest: sudo usbferry attach --listen ${connect[0]}`);
  }
  if (addresses.length > 0) {
    lines.push(`Sharing ${busids.join(", ")} on ${addresses.join(" and ")}. Stop with Ctrl+C.`);
    lines.push(...notes);
    lines.push(`See them from here: ${invocation()} list ${addresses[0]}`);
    lines.push(`Give ${first} to this kernel: sudo ${invocation()} attach ${addresses[0]} ${first}`);
  }
  return `${lines.join("\n")}\n`;
}
