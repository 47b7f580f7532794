import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { detachAll, detachPort } from "../daemon/ports.ts";
import { unlessCancelled } from "./cancelled.ts";

export function addDetach(root: Command): void {
  root
    .command("detach")
    .description("take an attached device away from this kernel")
    .argument("[PORT]", "as `usbferry ports` lists it")
    .option("--all", "every port, and wait for no host any more")
    .action(run);
}

async function run(port: string | undefined, options: { readonly all?: true }): Promise<void> {
  if (options.all === true) {
    if (port !== undefined) throw new WrongUsage("name a PORT or --all, not both.");
    const ports = await unlessCancelled(detachAll());
    process.stdout.write(
      ports.length === 0 ? "Nothing was attached.\n" : `Detached port ${ports.join(", ")}.\n`,
    );
    return;
  }
  if (port === undefined) throw new WrongUsage("name a PORT, as `usbferry ports` lists it, or --all.");
  if (!/^\d{1,5}$/.test(port))
    throw new WrongUsage(`"${port}" is no port: \`usbferry ports\` lists them by number.`);
  await unlessCancelled(detachPort(Number(port)));
  process.stdout.write(`Detached port ${port}.\n`);
}
