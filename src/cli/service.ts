import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, type Command } from "commander";
import {
  installService,
  removeService,
  type ServiceChange,
  type ServicePart,
  type ServiceRequest,
  serviceFiles,
} from "../daemon/service/service.ts";
import { printJson } from "./json.ts";
import { repeatable } from "./repeatable.ts";

const HELP = `
The host is run by systemd with its configuration, /etc/usbferry/usbferry.yaml, which is made if there is none; the agent
takes devices and keeps what was attached with --auto. Both run as root without root's other powers, see docs/service.md.
What you change in a drop-in (sudo systemctl edit usbferry) stays.

Example: sudo usbferry service install host --socket tcp:127.0.0.1:3240`;

const PARTS = ["host", "agent"] as const;

interface ServiceOptions {
  readonly config?: string;
  readonly socket?: readonly string[];
  readonly udevGroup?: string;
  readonly root?: string;
  readonly print?: true;
  readonly json?: true;
}

export function addService(root: Command): void {
  const service = root.command("service").description("run at boot").addHelpText("after", HELP);
  service
    .command("install")
    .description("start at boot from now on, and now")
    .addArgument(part())
    .option("--config <FILE>", "the configuration of the host (default: /etc/usbferry/usbferry.yaml)")
    .option(
      "--socket <ADDR>",
      "systemd listens here, and the first connection starts the host; may be repeated",
      repeatable,
    )
    .option("--udev-group <GROUP>", "give all USB devices of this machine to a group, too")
    .option("--root <FOLDER>", "write below this folder, for an image that does not run, and start nothing")
    .option("--print", "show the files and do nothing")
    .option("--json", "one JSON document on standard output")
    .action(install);
  service
    .command("remove")
    .description("start at boot no longer; the configuration and the state stay")
    .addArgument(part())
    .option("--root <FOLDER>", "remove below this folder, and stop nothing")
    .option("--json", "one JSON document on standard output")
    .action(remove);
}

function part(): Argument {
  return new Argument("[PART]", "what runs: the host, or the agent of a guest")
    .choices(PARTS)
    .default("host");
}

function install(chosen: ServicePart, options: ServiceOptions): void {
  const request: ServiceRequest = {
    part: chosen,
    program: {
      runtime: [process.execPath, ...process.execArgv],
      script: fileURLToPath(new URL("main.js", import.meta.url)),
    },
    config: options.config === undefined ? undefined : resolve(options.config),
    sockets: options.socket ?? [],
    group: options.udevGroup,
    root: options.root,
  };
  if (options.print === true) print(request, options);
  else tell(installService(request), options);
}

function remove(chosen: ServicePart, options: ServiceOptions): void {
  tell(removeService(chosen, options.root), options);
}

function print(request: ServiceRequest, { json }: ServiceOptions): void {
  const files = serviceFiles(request);
  if (json === true) printJson({ files });
  else process.stdout.write(files.map(({ path, text }) => `# ${path}\n${text}`).join("\n"));
}

function tell(change: ServiceChange, { json, root }: ServiceOptions): void {
  if (json === true) {
    printJson(change);
    return;
  }
  const { written, removed, started, kept } = change;
  const lines = [
    ...written.map((path) => `written ${path}`),
    ...removed.map((path) => `removed ${path}`),
    ...kept.map((path) => `kept    ${path}`),
    ...started.map((unit) => `started ${unit}, and at each boot from now on`),
  ];
  if (lines.length === 0) lines.push("There is nothing to remove.");
  if (started.length > 0) lines.push(`See how it is: systemctl status ${started[0]}`);
  if (root !== undefined && written.length > 0) {
    lines.push(`Nothing was started. For the first boot of the image: systemctl --root=${root} enable UNIT`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
