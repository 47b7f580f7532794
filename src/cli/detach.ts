import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { detachAll, detachPort, endWish, type Freed } from "../daemon/ports.ts";
import { unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";

interface DetachOptions {
  readonly all?: true;
  readonly json?: true;
}

export function addDetach(root: Command): void {
  root
    .command("detach")
    .description("take an attached device away from this kernel, and do not attach it again")
    .argument("[PORT|WISH]", "as `usbferry ports` lists it: 0, or w1 for what is kept attached and waits")
    .option("--all", "every port; keep nothing attached and wait for no host any more")
    .option("--json", "one JSON document on standard output")
    .action(run);
}

async function run(target: string | undefined, options: DetachOptions): Promise<void> {
  if (options.all === true) {
    if (target !== undefined) throw new WrongUsage("name a PORT or --all, not both.");
    tell(await unlessCancelled(detachAll()), options);
    return;
  }
  if (target === undefined) throw new WrongUsage("name a PORT, as `usbferry ports` lists it, or --all.");
  if (/^w[1-9]\d{0,8}$/.test(target)) tell(await unlessCancelled(endWish(target)), options);
  else if (/^\d{1,5}$/.test(target)) tell(await unlessCancelled(detachPort(Number(target))), options);
  else throw new WrongUsage(`"${target}" is no port: \`usbferry ports\` lists them by number.`);
}

function tell({ ports, wishes }: Freed, { json }: DetachOptions): void {
  if (json === true) {
    printJson({ ports, wishes });
    return;
  }
  const detached = ports.length === 0 ? "" : `Detached port ${ports.join(", ")}. `;
  const ended = wishes.length === 0 ? "" : `Ended ${wishes.join(", ")}: it is not attached again. `;
  process.stdout.write(`${(detached + ended).trim() || "Nothing was attached."}\n`);
}
