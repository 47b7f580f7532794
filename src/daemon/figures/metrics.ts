import type { ErrorFigures } from "../../usb/transfer-figures.ts";
import { isIn } from "../../usb/urb.ts";
import type { EventLog } from "../event-log.ts";
import { VERSION } from "../version.ts";
import { type CarriedDevice, carriedName } from "./carried-device.ts";
import { exposition, type Family, type Labels, type Sample } from "./exposition.ts";
import type { LedgerEndpoint, LedgerEntry, TransferLedger } from "./transfer-ledger.ts";

/** Doublings of a microsecond that have a bucket: up to 16.8 s. */
const BUCKETS = 25;
/** The label of endpoints that a device does not have. */
const NO_ENDPOINT = "none";

/** What the metrics of a daemon are made of. */
export interface Measured {
  readonly role: "host" | "agent";
  readonly since: string;
  readonly events: EventLog;
  readonly ledger: TransferLedger;
  readonly carried: () => readonly CarriedDevice[];
  /** What is there at this moment: sessions, devices by state, and so on. */
  readonly gauges: () => readonly Family[];
}

/** Everything that a daemon counts, in the text format of Prometheus. docs/metrics.md tells what each name means. */
export function metrics({ role, since, events, ledger, carried, gauges }: Measured): string {
  const devices = carried();
  const figures = devices.map((device) => ({ device, total: device.counters.look().figures }));
  const sums = new Map(ledger.devices);
  for (const { device, total } of figures) {
    const name = carriedName(device);
    sums.set(name, ledger.with(name, total));
  }
  return exposition([
    gauge("usbferry_build_info", "The version of this daemon, and what it is.", [
      { labels: { version: VERSION, role }, value: 1 },
    ]),
    gauge("usbferry_start_time_seconds", "When it was started, since 1970.", [
      { value: Date.parse(since) / 1_000 },
    ]),
    counter("process_cpu_seconds_total", "Processor time of all its threads.", [{ value: cpuSeconds() }]),
    gauge("process_resident_memory_bytes", "Memory of the process.", [{ value: process.memoryUsage.rss() }]),
    ...gauges(),
    counter("usbferry_events_total", "Events, as /v1/events tells them.", eventSamples(events)),
    gauge(
      "usbferry_device_info",
      "1 for each device that somebody has.",
      devices.map((carriedDevice) => ({ labels: infoLabels(carriedDevice), value: 1 })),
    ),
    gauge(
      "usbferry_urbs_in_flight",
      "URBs that have not ended yet.",
      figures.map(({ device, total }) => ({
        labels: { device: carriedName(device) },
        value: total.inFlight,
      })),
    ),
    counter("usbferry_urbs_total", "URBs that have ended.", urbSamples(sums)),
    counter("usbferry_urb_errors_total", "URBs that did not end well, by status.", errorSamples(sums)),
    counter("usbferry_bytes_total", "Bytes that URBs have moved.", byteSamples(sums)),
    {
      name: "usbferry_urb_duration_seconds",
      type: "histogram",
      help: "How long URBs took here, from the request to the answer.",
      samples: durationSamples(sums),
    },
  ]);
}

export function gauge(name: string, help: string, samples: Iterable<Sample>): Family {
  return { name, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: Iterable<Sample>): Family {
  return { name, type: "counter", help, samples };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function eventSamples({ counts }: EventLog): Sample[] {
  return Array.from(counts, ([kind, value]) => ({ labels: { kind }, value }));
}

function infoLabels(carried: CarriedDevice): Labels {
  const { device, session, port, peer, link } = carried;
  const { vid, pid, speed } = device;
  return { device: carriedName(carried), vid, pid, speed, session, port: port?.toString(), peer, link };
}

function* urbSamples(sums: ReadonlyMap<string, LedgerEntry>): Iterable<Sample> {
  for (const [device, { urbs, endpoints }] of sums) {
    let rest = urbs;
    for (const [address, endpoint] of endpoints) {
      yield { labels: endpointLabels(device, address), value: endpoint.urbs };
      rest -= endpoint.urbs;
    }
    if (rest > 0) yield { labels: { device, endpoint: NO_ENDPOINT }, value: rest };
  }
}

function* errorSamples(sums: ReadonlyMap<string, LedgerEntry>): Iterable<Sample> {
  for (const [device, { errors, endpoints }] of sums) {
    const rest: Record<string, number> = { ...errors };
    for (const [address, endpoint] of endpoints) {
      for (const [status, value] of entries(endpoint.errors)) {
        yield { labels: { ...endpointLabels(device, address), status }, value };
        rest[status]! -= value;
      }
    }
    for (const [status, value] of Object.entries(rest)) {
      if (value > 0) yield { labels: { device, endpoint: NO_ENDPOINT, status }, value };
    }
  }
}

function* byteSamples(sums: ReadonlyMap<string, LedgerEntry>): Iterable<Sample> {
  for (const [device, address, { bytes }] of eachEndpoint(sums)) {
    yield { labels: endpointLabels(device, address), value: bytes };
  }
}

/** Refused URBs took no time: they are not among them. */
function* durationSamples(sums: ReadonlyMap<string, LedgerEntry>): Iterable<Sample> {
  for (const [device, address, { histogram, tookUs }] of eachEndpoint(sums)) {
    const labels = endpointLabels(device, address);
    let count = 0;
    for (let doubling = 0; doubling < BUCKETS; doubling++) {
      count += histogram[doubling] ?? 0;
      yield { suffix: "_bucket", labels: { ...labels, le: String(2 ** doubling / 1e6) }, value: count };
    }
    for (const more of histogram.slice(BUCKETS)) count += more;
    yield { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count };
    yield { suffix: "_sum", labels, value: tookUs / 1e6 };
    yield { suffix: "_count", labels, value: count };
  }
}

function* eachEndpoint(
  sums: ReadonlyMap<string, LedgerEntry>,
): Iterable<readonly [device: string, address: number, endpoint: LedgerEndpoint]> {
  for (const [device, { endpoints }] of sums) {
    for (const [address, endpoint] of endpoints) yield [device, address, endpoint];
  }
}

function endpointLabels(device: string, address: number): Labels {
  const endpoint = `0x${address.toString(16).padStart(2, "0")}`;
  return { device, endpoint, direction: isIn(address) ? "in" : "out" };
}

function entries(errors: ErrorFigures): [string, number][] {
  return Object.entries(errors);
}
