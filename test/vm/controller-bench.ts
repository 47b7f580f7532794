/**
 * `npm run bench -- disk`: one image as a disk of a guest twice, behind usbferry's controller and behind those of QEMU itself
 * (usb-storage on qemu-xhci), read in turns in one boot. ROUNDS json|text
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine, type Machine, printMachine } from "../../bench/machine.ts";
import { median } from "../../bench/median.ts";
import type { ControllerTraffic } from "../../src/daemon/controller/controller-client.ts";
import { ControllerProcess } from "../support/controller-process.ts";
import { blockDevice } from "./disk.ts";
import { plug, stick } from "./emulated-device.ts";
import type { StickSpeed } from "./guest/block-speed.ts";
import type { Guest } from "./guest.ts";
import { find } from "./scenarios/virtual-controller.ts";
import { prepareTestBed } from "./test-bed.ts";

const MIB = 16;
const KERNEL = "6.12";
const PATIENCE_MS = 120_000;
const LEAST_OF_QEMU = 0.5;

/** What is measured of a disk. */
const FIGURES = [
  { key: "read1MiB", words: "read 1 MiB, MB/s", isTime: false },
  { key: "read64KiB", words: "read 64 KiB, MB/s", isTime: false },
  { key: "random4KiBMs", words: "read 4 KiB anywhere, ms", isTime: true },
  { key: "controlMs", words: "control transfer, ms", isTime: true },
] as const;
type Figure = (typeof FIGURES)[number]["key"];
type Speeds = Readonly<Record<Figure, number>>;

interface Round {
  readonly ours: Speeds;
  readonly qemu: Speeds;
}

interface Report {
  readonly began: Machine;
  readonly ended: Machine;
  readonly rounds: readonly Round[];
  /** Of usbferry's controller while its disk was read. */
  readonly traffic: ControllerTraffic;
}

interface Disk {
  readonly device: string;
  readonly node: string;
}

const [roundsText = "5", format] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "usbferry-bench-"));
try {
  const report = await measure(folder, Number(roundsText));
  process.stdout.write(format === "json" ? `${JSON.stringify(report, undefined, 2)}\n` : printReport(report));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(into: string, rounds: number): Promise<Report> {
  const content = randomBytes(MIB << 20);
  const image = join(into, "image");
  writeFileSync(image, content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  const bed = await prepareTestBed((line) => void process.stderr.write(`${line}\n`));
  const controller = await ControllerProcess.start("--gadget", `disk,file=${image},ro,serial=ferry`);
  const { qemuArguments } = controller;
  let guest: Guest | undefined;
  try {
    guest = await bed.boot({ kernel: KERNEL, controllers: ["xhci"], sharedMemory: true, qemuArguments });
    const ours = await diskOf(guest, (await find(guest, "ferry")).sysfsName);
    const place = { controller: "xhci", port: 7 } as const;
    const qemu = await diskOf(guest, (await plug(guest, await stick(guest, image), place)).busid);
    const began = describeMachine();
    const before = await controller.traffic();
    const played: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      const speeds = new Map<Disk, Speeds>();
      for (const disk of round % 2 === 0 ? [ours, qemu] : [qemu, ours]) {
        // oxlint-disable-next-line no-await-in-loop -- in turns
        speeds.set(disk, await speedOf(guest, disk, sha256));
      }
      played.push({ ours: speeds.get(ours)!, qemu: speeds.get(qemu)! });
    }
    const after = await controller.traffic();
    return { began, ended: describeMachine(), rounds: played, traffic: difference(before, after) };
  } finally {
    await guest?.stop();
    await controller.stop();
  }
}

async function diskOf(guest: Guest, sysfsName: string): Promise<Disk> {
  const numbers = await guest.shell(`cd /sys/bus/usb/devices/${sysfsName}; cat busnum devnum`);
  const [busnum, devnum] = numbers.trim().split("\n") as [string, string];
  const node = `/dev/bus/usb/${busnum.padStart(3, "0")}/${devnum.padStart(3, "0")}`;
  return { device: await blockDevice(guest, sysfsName), node };
}

async function speedOf(guest: Guest, { device, node }: Disk, sha256: string): Promise<Speeds> {
  const args = [device, node, MIB << 20];
  const measured = await guest.call("test/vm/guest/block-speed.js", "measureStick", args, PATIENCE_MS);
  const { sha256: read, ...speeds } = measured as StickSpeed;
  assert.equal(read, sha256);
  return speeds;
}

function difference(before: ControllerTraffic, after: ControllerTraffic): ControllerTraffic {
  return {
    answered: after.answered - before.answered,
    posted: after.posted - before.posted,
    interrupts: after.interrupts - before.interrupts,
    transfers: after.transfers - before.transfers,
  };
}

function printReport({ began, ended, rounds, traffic }: Report): string {
  const lines = [
    `Began: ${printMachine(began)}`,
    `Ended: ${printMachine(ended)}`,
    `Medians of ${rounds.length} interleaved rounds in one guest (Linux ${KERNEL}, processors emulated). A disk of ${MIB} MiB, past the page cache.`,
    "",
    "                            usbferry        QEMU  of QEMU",
  ];
  for (const { key, words, isTime } of FIGURES) {
    const ours = median(rounds.map((round) => round.ours[key]));
    const qemu = median(rounds.map((round) => round.qemu[key]));
    lines.push(
      `${words.padEnd(24)}${ours.toFixed(2).padStart(12)}${qemu.toFixed(2).padStart(12)}${ratioOf(rounds, key, isTime).toFixed(2).padStart(9)}`,
    );
  }
  const perUrb = (count: number): string => (count / traffic.transfers).toFixed(2);
  const share = ratioOf(rounds, "read1MiB", false);
  lines.push(
    "",
    `For each URB: ${perUrb(traffic.answered)} accesses that a processor waited for, ${perUrb(traffic.posted)} posted, ` +
      `${perUrb(traffic.interrupts)} interrupts (${traffic.transfers} URBs).`,
    `Read 1 MiB: at least ${LEAST_OF_QEMU} of QEMU's own: ${share >= LEAST_OF_QEMU ? "met" : "missed"}, ${share.toFixed(2)}`,
  );
  return `${lines.join("\n")}\n`;
}

/** How fast usbferry was beside QEMU in the same round: more is better. */
function ratioOf(rounds: readonly Round[], key: Figure, isTime: boolean): number {
  return median(rounds.map(({ ours, qemu }) => (isTime ? qemu[key] / ours[key] : ours[key] / qemu[key])));
}
