import type { LocalState } from "../daemon/local-daemons.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";

type HostSession = NonNullable<LocalState["host"]>["sessions"][number];
type AgentDevice = NonNullable<LocalState["agent"]>["devices"][number];
type Ring = NonNullable<HostSession["ring"]>;

/** What the host and the agent of this machine do, for people. JSON tells more. */
export function stateText({ host, agent }: LocalState): string {
  const parts: string[] = [];
  const rings: (readonly string[])[] = [];
  if (host !== undefined) {
    const places =
      host.addresses.length === 0 ? "listens nowhere" : `listens on ${host.addresses.join(", ")}`;
    parts.push(`The host (process ${host.pid}) ${places}, since ${host.since}.\n`);
    if (host.sessions.length > 0) parts.push(table([SESSION_HEAD, ...host.sessions.map(sessionRow)]));
    for (const { id, ring } of host.sessions) if (ring !== undefined) rings.push(ringRow(id, ring));
  }
  if (agent !== undefined) {
    const { length } = agent.devices;
    const kept = length === 0 ? "nothing" : length === 1 ? "1 device" : `${length} devices`;
    parts.push(`The agent (process ${agent.pid}) keeps ${kept} attached, since ${agent.since}.\n`);
    if (length > 0) parts.push(table([PORT_HEAD, ...agent.devices.map(portRow)]));
    for (const { port, ring } of agent.devices) {
      if (ring !== undefined) rings.push(ringRow(`port ${port}`, ring));
    }
  }
  if (rings.length > 0) parts.push(table([RING_HEAD, ...rings]));
  return parts.join("\n");
}

const SESSION_HEAD = ["SESSION", "BUSID", "URBS", "ERRORS", "BYTES IN", "BYTES OUT", "PEER"];
const PORT_HEAD = ["PORT", "BUSID", "NODE", "HOST"];
const RING_HEAD = [
  "RING",
  "EPOCHS",
  "INCOMING",
  "OUTGOING",
  "SLOTS",
  "P50 US",
  "P99 US",
  "P99.9 US",
  "COPIES/URB",
  "REFUSED",
];

function sessionRow({ id, device, counters, peer }: HostSession): readonly string[] {
  const errors = Object.values(counters?.errors ?? {}).reduce((sum, count) => sum + count, 0);
  const figures = counters && [counters.urbs, errors, counters.bytesIn, counters.bytesOut];
  const cells = figures?.map(String) ?? ["-", "-", "-", "-"];
  return [id, device?.busid ?? "-", ...cells, peer].map(printable);
}

function portRow({ port, busid, node, address }: AgentDevice): readonly string[] {
  return [String(port), busid, node, address].map(printable);
}

function ringRow(name: string, ring: Ring): readonly string[] {
  const { hostEpoch, guestEpoch, incoming, outgoing, slots, latency, copiesPerUrb } = ring;
  const waiting = ring.waiting === 0 ? "" : `, ${ring.waiting} wait`;
  const refused = Object.entries(ring.refusals).map(([kind, count]) => `${kind} ${count}`);
  return [
    name,
    `host ${hostEpoch}, guest ${guestEpoch}`,
    `${share(incoming.used, incoming.size)}, at most ${share(incoming.peak, incoming.size)}`,
    `${share(outgoing.used, outgoing.size)}${waiting}`,
    `${slots.used}, at most ${slots.peak} of ${slots.count}`,
    latency.p50Us.toFixed(1),
    latency.p99Us.toFixed(1),
    latency.p999Us.toFixed(1),
    copiesPerUrb.toFixed(2),
    refused.length === 0 ? "-" : refused.join(", "),
  ];
}

function share(part: number, all: number): string {
  return `${((100 * part) / all).toFixed(1)} %`;
}
