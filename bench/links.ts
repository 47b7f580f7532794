import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { dialPlace } from "../src/daemon/place.ts";
import { MACHINES, Machines } from "../src/daemon/state/machines.ts";
import { StateFolder } from "../src/daemon/state/state-folder.ts";
import { Trust } from "../src/daemon/trust.ts";
import { fingerprintOf } from "../src/links/certificate.ts";
import { dial } from "../src/links/dial.ts";
import { type Case, printCase } from "./case.ts";
import { type LinkFigures, LinkLoad } from "./link-load.ts";
import { describeMachine, printMachine } from "./machine.ts";
import { pinned } from "./pinning.ts";

const WARM_MS = 100;
const KIB = 1 << 10;
const CASES: readonly Case[] = [
  { direction: "in", size: 512, depth: 1 },
  { direction: "in", size: 512, depth: 32 },
  { direction: "in", size: 64 * KIB, depth: 16 },
  { direction: "out", size: 64 * KIB, depth: 16 },
];

interface Measured {
  readonly link: string;
  readonly case: Case;
  readonly rounds: LinkFigures[];
}

/** One run over every link of this machine, a host in a process of its own and the guest's side here: one table. */
export async function measureLinks(rounds: number, measureMs: number, isJson: boolean): Promise<string> {
  const began = describeMachine();
  const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
  const trust = await selfPaired(join(folder, "state"));
  const links = [
    ["tcp", "tcp:127.0.0.1:0"],
    ["unix", `unix:${join(folder, "host.sock")}`],
    ["vsock", "vsock:1:4294967295"],
    ["tls", "tls:127.0.0.1:0"],
  ] as const;
  const { host, answers } = await startHost(
    join(folder, "state"),
    links.map(([, address]) => address),
  );
  try {
    const missing: string[] = [];
    const measured: Measured[] = [];
    const places = links.flatMap(([link], i) => {
      const { address, refused } = answers[i]!;
      if (address === undefined) missing.push(`${link} is left out: ${refused}`);
      return address === undefined ? [] : [{ link, place: dialPlace(address) }];
    });
    for (const one of CASES) for (const { link } of places) measured.push({ link, case: one, rounds: [] });
    for (let round = 0; round < rounds; round++) {
      for (const one of measured) {
        const { place } = places.find(({ link }) => link === one.link)!;
        const load = new LinkLoad(await dial(place, { trust }), one.case);
        one.rounds.push(await load.run(WARM_MS, measureMs));
      }
    }
    const figures = measured.map(({ link, case: asked, rounds: all }) =>
      Object.assign({ link, case: asked }, medians(all)),
    );
    if (isJson)
      return `${JSON.stringify({ began, ended: describeMachine(), rounds, measureMs, missing, figures }, undefined, 2)}\n`;
    const head = [
      printMachine(began),
      `Medians of ${rounds} interleaved rounds of ${measureMs} ms; the load is made in TypeScript and costs more than the host.`,
      ...missing,
      "",
    ];
    return `${[...head, ...table(figures)].join("\n")}\n`;
  } finally {
    host.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A machine that is paired with itself. */
async function selfPaired(path: string): Promise<Trust> {
  const folder = new StateFolder(path);
  const trust = new Trust(folder);
  const { certificate } = await trust.identity();
  const fingerprint = fingerprintOf(new X509Certificate(certificate).raw);
  const { store, close } = await folder.open(MACHINES);
  await new Machines(store).add({ name: "self", fingerprint, hosts: ["127.0.0.1"] });
  await close();
  return trust;
}

/** Where a host listens, or why not. */
interface Answer {
  readonly address?: string;
  readonly refused?: string;
}

/** A host in a process of its own, which shares the gadget zero at all of these addresses. */
export async function startHost(
  folder: string,
  addresses: readonly string[],
  cpu?: number,
): Promise<{ readonly host: ChildProcess; readonly answers: readonly Answer[] }> {
  const script = fileURLToPath(new URL("contenders/link-host.js", import.meta.url));
  const [program, argv] = pinned(cpu, [process.execPath, script, folder, ...addresses]);
  const host = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(host.stdout), "line")) as [string];
  return { host, answers: JSON.parse(line) as readonly Answer[] };
}

function medians(rounds: readonly LinkFigures[]): LinkFigures {
  const median = (of: (figures: LinkFigures) => number): number =>
    rounds.map(of).toSorted((a, b) => a - b)[rounds.length >> 1]!;
  return {
    urbsPerSecond: median(({ urbsPerSecond }) => urbsPerSecond),
    megabytesPerSecond: median(({ megabytesPerSecond }) => megabytesPerSecond),
    p50Us: median(({ p50Us }) => p50Us),
    p99Us: median(({ p99Us }) => p99Us),
  };
}

function table(figures: readonly (LinkFigures & { readonly link: string; readonly case: Case })[]): string[] {
  const rows = [["", "link", "URB/s", "MB/s", "p50 us", "p99 us"]];
  let previous = "";
  for (const { link, case: asked, urbsPerSecond, megabytesPerSecond, p50Us, p99Us } of figures) {
    const title = printCase(asked);
    rows.push([
      title === previous ? "" : title,
      link,
      Math.round(urbsPerSecond).toLocaleString("en"),
      megabytesPerSecond.toFixed(1),
      p50Us.toFixed(1),
      p99Us.toFixed(1),
    ]);
    previous = title;
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]! + 2) : cell.padStart(widths[i]! + 2)))
      .join("")
      .trimEnd(),
  );
}
