import assert from "node:assert/strict";
import { test } from "node:test";
import type { LocalFigures } from "../daemon/local-daemons.ts";
import { figureLines } from "./figures-text.ts";

type Host = NonNullable<LocalFigures["host"]>;
type Device = Host["devices"][number];

const LATENCY = { p50Us: 9.5, p99Us: 1_088, p999Us: 2_621_440 };
const NO_LATENCY = { p50Us: 0, p99Us: 0, p999Us: 0 };

function device(busid: string, more: Partial<Device>): Device {
  const total = {
    urbs: 9,
    inFlight: 3,
    bytesIn: 0,
    bytesOut: 0,
    errors: {},
    latency: LATENCY,
    endpoints: [],
  };
  const endpoints = [
    { address: 0x81, urbsPerSecond: 12_000.4, bytesPerSecond: 6e6, errorsPerSecond: 0.5, latency: LATENCY },
    { address: 0x02, urbsPerSecond: 1, bytesPerSecond: 512, errorsPerSecond: 0, latency: NO_LATENCY },
  ];
  const now = {
    urbsPerSecond: 12_001.4,
    bytesInPerSecond: 6e6,
    bytesOutPerSecond: 512,
    errorsPerSecond: 0.5,
    latency: LATENCY,
    endpoints,
  };
  const identity = { busid, vid: "0525", pid: "a4a0", speed: "high" };
  return {
    device: identity,
    peer: "tcp:192.0.2.7:40112",
    link: "tcp",
    since: "",
    now,
    total,
    problems: [],
    ...more,
  };
}

function figures(...devices: Device[]): Host {
  return { time: "", periodMs: 1_000, devices };
}

test("devices of the host and of the agent stand in one table, with endpoints if asked for", () => {
  const host = figures(device("zero", { session: "s1" }));
  const agent = figures(device("1-2", { port: 0, peer: "unix:/run/x", link: "unix" }));
  assert.deepEqual(figureLines({ host, agent }, false).table, [
    "WHO     BUSID   URB/S  IN MB/S  OUT MB/S     P50     P99  P99.9  WAIT  ERR/S  LINK  VID:PID    PEER",
    "s1      zero   12,001      6.0     0.001  9.5 us  1.1 ms  2.6 s     3    0.5  tcp   0525:a4a0  tcp:192.0.2.7:40112",
    "port 0  1-2    12,001      6.0     0.001  9.5 us  1.1 ms  2.6 s     3    0.5  unix  0525:a4a0  unix:/run/x",
  ]);
  assert.deepEqual(figureLines({ host }, true).table, [
    "WHO      BUSID   URB/S  IN MB/S  OUT MB/S     P50     P99  P99.9  WAIT  ERR/S  LINK  VID:PID    PEER",
    "s1       zero   12,001      6.0     0.001  9.5 us  1.1 ms  2.6 s     3    0.5  tcp   0525:a4a0  tcp:192.0.2.7:40112",
    "  IN 1          12,000      6.0            9.5 us  1.1 ms  2.6 s          0.5",
    "  OUT 2              1              0.001       -       -      -            0",
  ]);
});

test("problems are told, but for what a guest took back, and no stranger speaks to the terminal", () => {
  const problems = [
    { status: "cancelled", urbs: 5, text: "5 were taken back." },
    { address: 0x81, status: "stall", urbs: 1, text: "1 URB of endpoint 1 IN ended badly." },
  ] as const;
  const host = figures(device("ze\x1b[31mro", { session: "s1", problems: [...problems] }));
  const { table, problems: told } = figureLines({ host }, false);
  assert.deepEqual(told, ["s1 ze?[31mro: 1 URB of endpoint 1 IN ended badly."]);
  assert.match(table[1]!, /^s1 {3}ze\?\[31mro /);
});

test("without devices there is no table", () => {
  assert.deepEqual(figureLines({ host: figures() }, true), { table: [], problems: [] });
});
