import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Case, printCase } from "./case.ts";
import { compile } from "./compile.ts";
import { startLinkHost } from "./link-host.ts";
import { LoadClient } from "./load.ts";
import { describeMachine, type Machine, printMachine } from "./machine.ts";
import { type Pinning, pinnings } from "./pinning.ts";
import { REFERENCES, type RingContender, type RingResult, reference, usbip } from "./ring-contender.ts";
import { LOOK_MS, RingPair } from "./ring-pair.ts";

const WARM_MS = 100;
const KIB = 1 << 10;
const SIZES = [KIB, 16 * KIB, 64 * KIB, 1024 * KIB];
/** A session of USB/IP may have 64 MiB, counted until the answer has left: 1 MiB each leaves room for eight. */
const deepOf = (size: number): number => (size < 1024 * KIB ? 32 : 8);
const CASES: readonly Case[] = [() => 1, deepOf].flatMap((depthOf) =>
  SIZES.map((size) => ({ direction: "in", size, depth: depthOf(size) }) as const),
);
const OURS = "usbferry ring";
/** Of a host and a guest that sleep as soon as they have nothing to do. */
const OURS_ASLEEP = "usbferry ring, asleep";
const NO_LOOK_MS = 0;
/** With which others are compared. */
const YARDSTICK = REFERENCES.copied;

/** Of the C ring, at every size: twice its round trip, and half of its throughput. */
const MOST_OF_TRIP = 2;
const LEAST_OF_THROUGHPUT = 0.5;

/** The targets of USBWarp, which it has not measured. */
const ROUND_TRIP_US = 100;
const GIGABYTES = 1;

/** How long a contender is given that moves nothing. */
const LONGEST_MS = 10_000;

/** Medians over the rounds. */
export interface RingFigures {
  readonly pinning: Pinning["name"];
  readonly case: Case;
  readonly contender: string;
  readonly gigabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Throughput beside the C ring with copies in the same rounds. */
  readonly ofReference: number | undefined;
}

/** Reads over shared memory and over sockets, in C and by usbferry, in turns: one table. */
export async function measureRing(rounds: number, measureMs: number, isJson: boolean): Promise<string> {
  const began = describeMachine();
  const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
  const program = compile("reference/ring.c");
  const client = LoadClient.build();
  const figures: RingFigures[] = [];
  try {
    for (const place of pinnings()) {
      const state = join(folder, place.name.replaceAll(" ", "-"));
      const path = `${state}.sock`;
      const listen = ["tcp:127.0.0.1:0", `unix:${path}`];
      const { host, answers } = await startLinkHost(state, listen, place.server);
      const pair = await RingPair.start(place, LOOK_MS);
      const sleeping = await RingPair.start(place, NO_LOOK_MS);
      try {
        const port = Number(answers[0]!.address!.split(":").at(-1));
        const contenders = [
          pair.contender(OURS),
          sleeping.contender(OURS_ASLEEP, ({ size, depth }) => size === KIB && depth === 1),
          ...(program === undefined ? [] : Object.values(REFERENCES).map((mode) => reference(program, mode))),
          usbip("usbip, unix", client, path),
          usbip("usbip, tcp", client, port),
        ];
        figures.push(...(await playRounds(place, contenders, rounds, measureMs)));
      } finally {
        pair.stop();
        sleeping.stop();
        host.kill();
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const report = { began, ended: describeMachine(), loadClient: client.language, rounds, measureMs, figures };
  return isJson ? `${JSON.stringify(report, undefined, 2)}\n` : printReport(report);
}

interface Sample {
  readonly gigabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** One after the other in each round, so that what disturbs the machine for a while meets all of them. */
async function playRounds(
  place: Pinning,
  contenders: readonly RingContender[],
  rounds: number,
  measureMs: number,
): Promise<RingFigures[]> {
  const figures: RingFigures[] = [];
  for (const one of CASES) {
    const running = contenders.filter((contender) => contender.runs(one));
    const samples = new Map(running.map(({ name }) => [name, [] as Sample[]]));
    for (let round = 0; round < rounds; round++) {
      if (process.stderr.isTTY)
        process.stderr.write(`${place.name}, ${printCase(one)}, ${round + 1} of ${rounds}\n`);
      for (const contender of running) {
        const { measured, seconds, p50, p99 } = await untilMeasured(contender, one, place, measureMs);
        const gigabytesPerSecond = (measured * one.size) / seconds / 1e9;
        samples.get(contender.name)!.push({ gigabytesPerSecond, p50Us: p50, p99Us: p99 });
      }
    }
    const yardstick = medianOf(samples.get(YARDSTICK), "gigabytesPerSecond");
    for (const [contender, list] of samples) {
      const gigabytesPerSecond = medianOf(list, "gigabytesPerSecond")!;
      figures.push({
        pinning: place.name,
        case: one,
        contender,
        gigabytesPerSecond,
        p50Us: medianOf(list, "p50Us")!,
        p99Us: medianOf(list, "p99Us")!,
        ofReference: yardstick === undefined ? undefined : gigabytesPerSecond / yardstick,
      });
    }
  }
  return figures;
}

/** On a machine with other work a side may not run at all for as long as is measured. */
async function untilMeasured(
  contender: RingContender,
  one: Case,
  place: Pinning,
  measureMs: number,
): Promise<RingResult> {
  for (let longerMs = measureMs; longerMs <= LONGEST_MS; longerMs *= 4) {
    // oxlint-disable-next-line no-await-in-loop -- longer each time
    const result = await contender.run(one, place, WARM_MS, longerMs);
    if (result.measured > 0 && result.seconds > 0) return result;
  }
  throw new Error(
    `${contender.name} moved nothing in ${LONGEST_MS / 1_000} s. Try again on a quieter machine.`,
  );
}

function medianOf(samples: readonly Sample[] | undefined, of: keyof Sample): number | undefined {
  return samples?.map((sample) => sample[of]).toSorted((a, b) => a - b)[samples.length >> 1];
}

interface Report {
  readonly began: Machine;
  readonly ended: Machine;
  readonly loadClient: string;
  readonly rounds: number;
  readonly measureMs: number;
  readonly figures: readonly RingFigures[];
}

function printReport({ began, ended, loadClient, rounds, measureMs, figures }: Report): string {
  const lines = [
    `Began: ${printMachine(began)}`,
    `Ended: ${printMachine(ended)}`,
    `Medians of ${rounds} interleaved rounds of ${measureMs} ms. The client of usbip is in ${loadClient}.`,
  ];
  for (const pinning of new Set(figures.map((one) => one.pinning))) {
    const own = figures.filter((one) => one.pinning === pinning);
    lines.push("", pinning, ...table(own), ...targets(own));
  }
  return `${lines.join("\n")}\n`;
}

function table(figures: readonly RingFigures[]): string[] {
  const rows = [["", "GB/s", "p50 us", "p99 us", "of C"]];
  let previous = "";
  for (const one of figures) {
    const title = printCase(one.case);
    if (title !== previous) rows.push([title]);
    previous = title;
    rows.push([
      `  ${one.contender}`,
      one.gigabytesPerSecond.toFixed(3),
      one.p50Us.toFixed(2),
      one.p99Us.toFixed(2),
      one.ofReference?.toFixed(3) ?? "-",
    ]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]! + 2)))
      .join("")
      .trimEnd(),
  );
}

/** Whether this ring meets the two targets: the small round trip, and all sizes of many at a time. */
function targets(figures: readonly RingFigures[]): readonly string[] {
  const own = figures.filter((one) => one.contender === OURS);
  const trip = own.find(({ case: one }) => one.depth === 1)!;
  const slowest = own
    .filter(({ case: one }) => one.depth > 1)
    .toSorted((a, b) => a.gigabytesPerSecond - b.gigabytesPerSecond)[0]!;
  return [
    ...besideC(figures, own),
    `Round trip under ${ROUND_TRIP_US} us: ${met(trip.p50Us < ROUND_TRIP_US)}, ${trip.p50Us.toFixed(2)} us (${printCase(trip.case)})`,
    `Over ${GIGABYTES} GB/s: ${met(slowest.gigabytesPerSecond > GIGABYTES)}, ${slowest.gigabytesPerSecond.toFixed(2)} GB/s at least (${printCase(slowest.case)})`,
  ];
}

/** Nothing without a compiler. */
function besideC(figures: readonly RingFigures[], own: readonly RingFigures[]): readonly string[] {
  const yardsticks = figures.filter((one) => one.contender === YARDSTICK);
  const pairs = yardsticks.map((c) => ({ c, ours: own.find((one) => one.case === c.case)! }));
  const trip = pairs.find(({ c }) => c.case.depth === 1);
  if (trip === undefined) return [];
  const times = trip.ours.p50Us / trip.c.p50Us;
  const least = pairs.toSorted((a, b) => a.ours.ofReference! - b.ours.ofReference!)[0]!.ours;
  return [
    `Round trip at most ${MOST_OF_TRIP} times that of the C ring: ${met(times <= MOST_OF_TRIP)}, ${times.toFixed(2)} times (${printCase(trip.c.case)})`,
    `At least ${LEAST_OF_THROUGHPUT} of the C ring at every size: ${met(least.ofReference! >= LEAST_OF_THROUGHPUT)}, ${least.ofReference!.toFixed(2)} (${printCase(least.case)})`,
  ];
}

function met(isMet: boolean): string {
  return isMet ? "met" : "missed";
}
