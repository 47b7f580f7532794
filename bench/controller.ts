import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compile } from "./compile.ts";
import { describeMachine, type Machine, printMachine } from "./machine.ts";
import { median } from "./median.ts";
import { type Pinning, pinned, pinnings } from "./pinning.ts";

const WARM_MS = 200;
/** What the client does, and how that is called. */
const ACCESSES = {
  read: "a register read",
  write: "16 posted writes and a read behind them",
  interrupt: "Linux' interrupt: 3 reads and 3 posted writes",
} as const;
type Access = keyof typeof ACCESSES;

const REFERENCE = "C reference";
const OURS = "usbferry controller";
/** One that sleeps as soon as it has answered. */
const OURS_ASLEEP = "usbferry controller, asleep";
const NO_LOOK_MS = 0;
const MOST_OF_TRIP = 1.2;
const PATIENCE_MS = 60_000;

/** Times in microseconds, medians over the rounds. */
export interface AccessFigures {
  readonly pinning: Pinning["name"];
  readonly access: Access;
  readonly contender: string;
  readonly p50Us: number;
  readonly p99Us: number;
  /** p50 beside that of the C server in the same round. */
  readonly ofReference: number | undefined;
}

interface Sample {
  readonly p50: number;
  readonly p99: number;
}

/** Register accesses of a VMM, in turns at a server in C and at this project's: one table. */
export async function measureController(rounds: number, measureMs: number, isJson: boolean): Promise<string> {
  const client = compile("load/registers.c");
  const program = compile("reference/vfio-user.c");
  if (client === undefined || program === undefined) {
    throw new Error(
      "The VMM of this bench is a C program, and this machine has no cc. Install one (gcc) and try again.",
    );
  }
  const began = describeMachine();
  const figures: AccessFigures[] = [];
  for (const place of pinnings()) figures.push(...(await playAt(place, client, program, rounds, measureMs)));
  const report = { began, ended: describeMachine(), rounds, measureMs, figures };
  return isJson ? `${JSON.stringify(report, undefined, 2)}\n` : printReport(report);
}

async function playAt(
  place: Pinning,
  client: string,
  program: string,
  rounds: number,
  measureMs: number,
): Promise<AccessFigures[]> {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
  const ours = fileURLToPath(new URL("contenders/controller-side.js", import.meta.url));
  const socket = (name: string): string => join(folder, `${name}.sock`);
  const state = join(folder, "state");
  const servers: Server[] = [];
  try {
    servers.push(await Server.start(REFERENCE, socket("c"), [program, socket("c")], place.server));
    servers.push(
      await Server.start(OURS, socket("ours"), [process.execPath, ours, socket("ours"), state], place.server),
    );
    const asleep = [process.execPath, ours, socket("asleep"), `${state}-asleep`, String(NO_LOOK_MS)];
    servers.push(await Server.start(OURS_ASLEEP, socket("asleep"), asleep, place.server));
    return await playRounds(place, servers, client, rounds, measureMs);
  } finally {
    for (const server of servers) server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One server after the other in each round, so that what disturbs the machine for a while meets all of them. */
async function playRounds(
  place: Pinning,
  servers: readonly Server[],
  client: string,
  rounds: number,
  measureMs: number,
): Promise<AccessFigures[]> {
  const samples = new Map<string, Sample[]>();
  // The first round is for compilers and caches, and does not count.
  for (let round = 0; round <= rounds; round++) {
    if (process.stderr.isTTY) process.stderr.write(`${place.name}, round ${round} of ${rounds}\n`);
    for (const access of Object.keys(ACCESSES)) {
      for (let i = 0; i < servers.length; i++) {
        const { name, path } = servers[(i + round) % servers.length]!;
        const [command, argv] = pinned(place.client, [
          client,
          path,
          access,
          String(WARM_MS),
          String(measureMs),
        ]);
        const { stdout } = await promisify(execFile)(command, argv, { timeout: PATIENCE_MS });
        const key = `${access} ${name}`;
        if (round > 0) samples.set(key, [...(samples.get(key) ?? []), JSON.parse(stdout) as Sample]);
      }
    }
  }
  return (Object.keys(ACCESSES) as Access[]).flatMap((access) => {
    const yardstick = samples.get(`${access} ${REFERENCE}`)!;
    return servers.map(({ name }) => {
      const list = samples.get(`${access} ${name}`)!;
      return {
        pinning: place.name,
        access,
        contender: name,
        p50Us: median(list.map(({ p50 }) => p50)),
        p99Us: median(list.map(({ p99 }) => p99)),
        ofReference:
          name === REFERENCE ? undefined : median(list.map(({ p50 }, i) => p50 / yardstick[i]!.p50)),
      };
    });
  });
}

/** A server that runs in a process of its own, from the first round to the last. */
class Server {
  readonly name: string;
  readonly path: string;
  readonly #process: ChildProcess;

  private constructor(name: string, path: string, running: ChildProcess) {
    this.name = name;
    this.path = path;
    this.#process = running;
  }

  static async start(
    name: string,
    path: string,
    argv: readonly string[],
    cpu: number | undefined,
  ): Promise<Server> {
    const [command, rest] = pinned(cpu, argv);
    const isProgram = name === REFERENCE;
    const stdio = isProgram ? ["ignore", "pipe", "inherit"] : ["ignore", "inherit", "inherit", "ipc"];
    const running = spawn(command, rest, { stdio: stdio as "pipe"[] });
    await Promise.race([
      once(isProgram ? running.stdout : running, isProgram ? "data" : "message"),
      once(running, "exit").then(() => Promise.reject(new Error(`${name} ended before it listened`))),
    ]);
    return new Server(name, path, running);
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

interface Report {
  readonly began: Machine;
  readonly ended: Machine;
  readonly rounds: number;
  readonly measureMs: number;
  readonly figures: readonly AccessFigures[];
}

function printReport({ began, ended, rounds, measureMs, figures }: Report): string {
  const lines = [
    `Began: ${printMachine(began)}`,
    `Ended: ${printMachine(ended)}`,
    `Medians of ${rounds} interleaved rounds of ${measureMs} ms.`,
  ];
  for (const pinning of new Set(figures.map((one) => one.pinning))) {
    const own = figures.filter((one) => one.pinning === pinning);
    lines.push("", pinning, ...table(own));
    // A VMM that shares its processor with its devices has no time to lose anyway.
    if (pinning !== "one core") lines.push(...own.filter(({ contender }) => contender === OURS).map(target));
  }
  return `${lines.join("\n")}\n`;
}

function table(figures: readonly AccessFigures[]): string[] {
  const rows = [["", "p50 us", "p99 us", "of C"]];
  let previous = "";
  for (const { access, contender, p50Us, p99Us, ofReference } of figures) {
    if (access !== previous) rows.push([ACCESSES[access]]);
    previous = access;
    rows.push([`  ${contender}`, p50Us.toFixed(1), p99Us.toFixed(1), ofReference?.toFixed(2) ?? "-"]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]! + 2)))
      .join("")
      .trimEnd(),
  );
}

function target({ access, ofReference }: AccessFigures): string {
  const isMet = ofReference! <= MOST_OF_TRIP ? "met" : "missed";
  return `${ACCESSES[access]}: at most ${MOST_OF_TRIP} times the C server: ${isMet}, ${ofReference!.toFixed(2)} times`;
}
