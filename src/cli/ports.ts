import type { Command } from "commander";
import { type AttachedPort, attachedPorts, type Ports } from "../daemon/ports.ts";
import { unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";

export function addPorts(root: Command): void {
  root
    .command("ports")
    .description("what is attached here, by whatever program")
    .option("--json", "one JSON document on standard output")
    .action(run);
}

async function run(options: { readonly json?: true }): Promise<void> {
  const { ports, waiting, wishes } = await unlessCancelled(attachedPorts());
  if (options.json === true) {
    printJson({ ports, waiting, wishes });
    return;
  }
  const head = ["PORT", "BUSID", "VID:PID", "DEVICE", "NODE", "SPEED", "HOST"];
  process.stdout.write(ports.length === 0 ? "Nothing is attached.\n" : table([head, ...ports.map(asRow)]));
  for (const { address, device } of waiting) {
    process.stdout.write(`Waiting on ${address} for a host that brings ${device ?? "devices"}.\n`);
  }
  for (const wish of wishes) process.stdout.write(`${wishLine(wish)}\n`);
}

/** What is kept attached, in a line for people. */
export function wishLine(wish: Ports["wishes"][number]): string {
  const { id, address, devices, state, watching, port, ports, reason } = wish;
  const what = `${id} keeps ${devices.join(" or ")} of ${address}`;
  const polled =
    watching === "polled" ? ", which tells nothing by itself and is asked from time to time" : "";
  if (state === "attached") return `${what}${polled} on port ${port}.`;
  const places = Object.values(ports);
  const place = places.length === 0 ? "" : ` for port ${places.join(" or ")}`;
  const why = printable(reason ?? "it is being attached").replace(/\.$/, "");
  return `${what}${polled}: waiting${place}: ${why}.`;
}

function asRow(port: AttachedPort): readonly string[] {
  return [
    String(port.port),
    printable(port.busid ?? "-"),
    port.vid === undefined ? "-" : `${port.vid}:${port.pid}`,
    printable(port.product ?? "") || "-",
    port.node ?? port.state,
    port.speed,
    port.address ?? "(another program)",
  ];
}
