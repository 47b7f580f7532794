import type { LocalFigures } from "../daemon/local-daemons.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";

type Device = NonNullable<LocalFigures["host"]>["devices"][number];
type Traffic = Pick<Device["now"], "urbsPerSecond" | "errorsPerSecond" | "latency">;

const HEAD = [
  "WHO",
  "BUSID",
  "URB/S",
  "IN MB/S",
  "OUT MB/S",
  "P50",
  "P99",
  "P99.9",
  "WAIT",
  "ERR/S",
  "LINK",
  "VID:PID",
  "PEER",
];
/** Of these columns the figures stand below each other by their last digit. */
const FIGURES_FROM = 2;
const FIGURES_TO = 9;

/** Figures in lines: the first one is the heading of a table, those of `problems` stand below it. */
export interface FigureLines {
  /** Nothing, where no device is in use. */
  readonly table: readonly string[];
  readonly problems: readonly string[];
}

/** What devices carry, for people; `byEndpoint` with a line more for each endpoint that was used in the last second. */
export function figureLines({ host, agent }: LocalFigures, byEndpoint: boolean): FigureLines {
  const devices = [...(host?.devices ?? []), ...(agent?.devices ?? [])];
  if (devices.length === 0) return { table: [], problems: [] };
  const rows = devices.flatMap((device) =>
    byEndpoint ? [deviceRow(device), ...endpointRows(device)] : [deviceRow(device)],
  );
  return {
    table: table(aligned([HEAD, ...rows]))
      .trimEnd()
      .split("\n"),
    problems: devices.flatMap(problemLines),
  };
}

function deviceRow({ device, session, port, link, now, total, peer }: Device): readonly string[] {
  const { busid, vid, pid } = device;
  return [
    session ?? `port ${port}`,
    printable(busid),
    ...trafficCells(
      now,
      megabytes(now.bytesInPerSecond),
      megabytes(now.bytesOutPerSecond),
      `${total.inFlight}`,
    ),
    printable(link),
    vid === undefined ? "-" : `${vid}:${pid}`,
    printable(peer),
  ];
}

function endpointRows({ now }: Device): readonly (readonly string[])[] {
  return now.endpoints.map((endpoint) => {
    const { address, bytesPerSecond } = endpoint;
    const isIn = address >= 0x80;
    const moved = megabytes(bytesPerSecond);
    const name = `  ${isIn ? "IN" : "OUT"} ${address & 15}`;
    return [name, "", ...trafficCells(endpoint, isIn ? moved : "", isIn ? "" : moved, "")];
  });
}

function trafficCells(
  { urbsPerSecond, errorsPerSecond, latency }: Traffic,
  bytesIn: string,
  bytesOut: string,
  inFlight: string,
): readonly string[] {
  const { p50Us, p99Us, p999Us } = latency;
  return [
    Math.round(urbsPerSecond).toLocaleString("en"),
    bytesIn,
    bytesOut,
    ...[p50Us, p99Us, p999Us].map(duration),
    inFlight,
    errorsPerSecond.toLocaleString("en"),
  ];
}

/** What a guest took back is no problem of anybody. */
function problemLines({ session, port, device, problems }: Device): readonly string[] {
  const who = `${session ?? `port ${port}`} ${printable(device.busid)}`;
  return problems.filter(({ status }) => status !== "cancelled").map(({ text }) => `${who}: ${text}`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e6 ? 3 : 1);
}

function duration(us: number): string {
  if (us === 0) return "-";
  if (us < 1_000) return `${us < 100 ? us.toFixed(1) : Math.round(us)} us`;
  return us < 1e6 ? `${(us / 1e3).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`;
}

function aligned(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column >= FIGURES_FROM && column <= FIGURES_TO ? cell.padStart(widths[column]!) : cell,
    ),
  );
}
