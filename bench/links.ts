import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dialPlace } from "../src/daemon/place.ts";
import { MACHINES, Machines } from "../src/daemon/state/machines.ts";
import { StateFolder } from "../src/daemon/state/state-folder.ts";
import { Trust } from "../src/daemon/trust.ts";
import { fingerprintOf } from "../src/links/certificate.ts";
import { dial } from "../src/links/dial.ts";
import type { LinkAddress } from "../src/links/listen.ts";
import { type Case, printCase } from "./case.ts";
import { startLinkHost } from "./link-host.ts";
import { type LinkFigures, LinkLoad } from "./link-load.ts";
import type { TalkClass } from "./load/talk.ts";
import { UsbipTalk } from "./load/usbip-talk.ts";
import { WslusbTalk } from "./load/wslusb-talk.ts";
import { describeMachine, printMachine } from "./machine.ts";

const WARM_MS = 100;
const KIB = 1 << 10;
const CASES: readonly Case[] = [
  { direction: "in", size: 512, depth: 1 },
  { direction: "in", size: 512, depth: 32 },
  { direction: "in", size: 64 * KIB, depth: 16 },
  { direction: "out", size: 64 * KIB, depth: 16 },
];

const PROTOCOLS: Readonly<Record<string, TalkClass>> = { usbip: UsbipTalk, wslusb: WslusbTalk };

/** What is measured, and told as it is by `--json`. */
interface Row {
  readonly case: Case;
  readonly link: string;
  readonly protocol: string;
}

/** Nothing is known of a link that this machine does not have. */
interface Figures extends Row, Partial<LinkFigures> {
  /** URBs per second, beside those of USB/IP over the same link in the same round. */
  readonly ofUsbip?: number;
}

/**
 * One run over every link of this machine and every protocol, a host in a process of its own and the guest's side here:
 * one table.
 */
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
  const { host, answers } = await startLinkHost(
    join(folder, "state"),
    links.map(([, address]) => address),
  );
  try {
    const rows: readonly Row[] = CASES.flatMap((one) =>
      links.flatMap(([link]) => Object.keys(PROTOCOLS).map((protocol) => ({ case: one, link, protocol }))),
    );
    const places = new Map<string, LinkAddress>(
      links.flatMap(([link], i) => {
        const { address } = answers[i]!;
        return address === undefined ? [] : [[link, dialPlace(address)] as const];
      }),
    );
    const missing = links.flatMap(([link], i) => {
      const { refused } = answers[i]!;
      return refused === undefined ? [] : [`${link} is not here: ${refused}`];
    });
    const measured = new Map<Row, LinkFigures[]>(rows.map((row) => [row, []]));
    for (let round = 0; round < rounds; round++) {
      for (const row of rows) {
        const place = places.get(row.link);
        if (place === undefined) continue;
        const load = new LinkLoad(await dial(place, { trust }), row.case, PROTOCOLS[row.protocol]!);
        measured.get(row)!.push(await load.run(WARM_MS, measureMs));
      }
    }
    const figures = rows.map((row): Figures => {
      const usbip = rows.find((other) => other.case === row.case && other.link === row.link)!;
      return Object.assign(medians(measured.get(row)!, measured.get(usbip)!), row);
    });
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

function medians(
  rounds: readonly LinkFigures[],
  usbip: readonly LinkFigures[],
): Partial<LinkFigures> & Pick<Figures, "ofUsbip"> {
  if (rounds.length === 0) return {};
  const median = (of: (figures: LinkFigures, round: number) => number): number =>
    rounds.map(of).toSorted((a, b) => a - b)[rounds.length >> 1]!;
  return {
    urbsPerSecond: median(({ urbsPerSecond }) => urbsPerSecond),
    megabytesPerSecond: median(({ megabytesPerSecond }) => megabytesPerSecond),
    p50Us: median(({ p50Us }) => p50Us),
    p99Us: median(({ p99Us }) => p99Us),
    ofUsbip: median(({ urbsPerSecond }, round) => urbsPerSecond / usbip[round]!.urbsPerSecond),
  };
}

function table(figures: readonly Figures[]): string[] {
  const rows = [["", "link", "protocol", "URB/s", "MB/s", "p50 us", "p99 us", "of usbip"]];
  let previous = "";
  for (const one of figures) {
    const { link, protocol, urbsPerSecond } = one;
    const title = printCase(one.case);
    rows.push([
      title === previous ? "" : title,
      link,
      protocol,
      urbsPerSecond === undefined ? "not here" : Math.round(urbsPerSecond).toLocaleString("en"),
      one.megabytesPerSecond?.toFixed(1) ?? "",
      one.p50Us?.toFixed(1) ?? "",
      one.p99Us?.toFixed(1) ?? "",
      one.ofUsbip?.toFixed(2) ?? "",
    ]);
    previous = title;
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i < 3 ? cell.padEnd(widths[i]! + 2) : cell.padStart(widths[i]! + 2)))
      .join("")
      .trimEnd(),
  );
}
