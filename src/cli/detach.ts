import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { detachAll, detachPort } from "../daemon/ports.ts";
import { unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";

interface DetachOptions {
  readonly all?: true;
  readonly json?: true;
}

export function addDetach(root: Command): void {
  root
    .command("detach")
    .description("take an attached device away from this kernel")
    .argument("[PORT]", "as `usbferry ports` lists it")
    .option("--all", "every port, and wait for no host any more")
    .option("--json", "one JSON document on standard output")
    .action(run);
}

async function run(port: string | undefined, options: DetachOptions): Promise<void> {
  if (options.all === true) {
    if (port !== undefined) throw new WrongUsage("name a PORT or --all, not both.");
    const ports = await unlessCancelled(detachAll());
    tell(ports, options);
    return;
  }
  if (port === undefined) throw new WrongUsage("name a PORT, as `usbferry ports` lists it, or --all.");
  if (!/^\d{1,5}$/.test(port))
    throw new WrongUsage(`"${port}" is no port: \`usbferry ports\` lists them by number.`);
  await unlessCancelled(detachPort(Number(port)));
  tell([Number(port)], options);
}

function tell(ports: readonly number[], { json }: DetachOptions): void {
  if (json === true) printJson({ ports });
  else if (ports.length === 0) process.stdout.write("Nothing was attached.\n");
  else process.stdout.write(`Detached port ${ports.join(", ")}.\n`);
}
