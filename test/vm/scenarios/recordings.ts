import assert from "node:assert/strict";
import { join } from "node:path";
import { compareRecordings } from "../../capture/compared-recordings.ts";
import { readRecording } from "../../capture/recorded-file.ts";
import { RecordedHost } from "../../capture/recorded-host.ts";
import { ATTACH_LINES, type Attachment, STOCK_TOOL } from "../attachment.ts";
import type { UsbtestResult } from "../guest/usbtest.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { FRAME_BYTES, RATE } from "../sound.ts";
import { SOUND_LINES } from "./audio.ts";
import { bindTo, PARAMETERS } from "./usbtest.ts";

const DEVICES = ["zero", "keyboard", "audio"] as const;
/** In memory: its own traffic must not wait for the shared folder. */
const MONITORED = "/tmp/usbmon.pcapng";
/** `usb`, each key down and up, as reports (HID usage tables §10). */
const TYPED = ["18", "00", "16", "00", "05", "00"].map((key) => `0000${key}0000000000`);

/** Cases of usbtest at each alternate setting: control, bulk, unlink, halt, isochronous, interrupt. */
const CASES: readonly (readonly number[])[] = [
  [9, 10, 14, 1, 2, 3, 7, 11, 13],
  [15, 16],
  [25, 26],
];

/** Records in the guest what its kernel tells of its buses; the answer ends that, and tells what the kernel has lost. */
async function monitor(guest: Guest, path: string): Promise<() => Promise<number>> {
  await guest.loadModule("usbmon");
  await guest.waitFor("the monitor", "test -c /dev/usbmon0");
  let isReady = false;
  let lost = -1;
  const program = await guest.spawn(guest.nodeProgram("test/vm/guest/usbmon.js", path), (line) => {
    const said = JSON.parse(line) as { readonly ready?: true; readonly lost?: number };
    isReady ||= said.ready === true;
    lost = said.lost ?? lost;
  });
  await guest.waitFor("the monitor to be ready", () => isReady);
  return async () => {
    await program.kill("SIGTERM");
    await program.exit;
    return lost;
  };
}

async function drive(guest: Guest, attachment: Attachment): Promise<void> {
  for (const [alternate, cases] of CASES.entries()) {
    await bindTo(guest, attachment, alternate);
    for (const test of cases) {
      const parameters = [attachment.node, 0, { test, iterations: 2, ...PARAMETERS }];
      const result = await guest.call("test/vm/guest/usbtest.js", "usbtest", parameters, 60_000);
      assert.equal((result as UsbtestResult).errno, 0, `case ${test}`);
    }
  }
}

/** What a keyboard has sent so far, by the recording of its host. */
function reports(path: string): readonly string[] {
  return readRecording(path)
    .events.filter(({ type, endpoint, status }) => type === "C" && endpoint === 0x81 && status === 0)
    .map(({ data }) => data.toString("hex"));
}

async function typed(guest: Guest, path: string): Promise<readonly string[]> {
  await guest.waitFor("the last key", () => reports(path).length >= TYPED.length, 60_000);
  return reports(path);
}

/** A second of noise, and what a recorder hears of it: both streams run, and what they carry is of no concern. */
async function sound(guest: Guest): Promise<void> {
  await guest.loadModule("snd-usb-audio");
  await guest.waitFor("the card", "test -c /dev/snd/pcmC0D0p && test -c /dev/snd/pcmC0D0c");
  const format = `-q -N -D hw:0,0 -t raw -f S16_LE -r ${RATE} -c 2 --buffer-time=1000000`;
  await guest.shell(
    `arecord ${format} /tmp/captured &
     recorder=$!
     head -c ${RATE * FRAME_BYTES} /dev/urandom | aplay ${format}
     kill $recorder
     wait $recorder || true`,
    { timeoutMs: 120_000 },
  );
}

function portOf({ address }: RecordedHost): number {
  return Number(address.split(":").at(-1));
}

/** Attaches a replay, which has the serial number of what was recorded, and waits until the kernel has configured it. */
async function attachReplay(guest: Guest, host: RecordedHost, serial: string): Promise<void> {
  await guest.shell(`usbip --tcp-port ${portOf(host)} attach -r ${guest.hostAddress} -b replay`);
  await guest.waitFor("the replay to be enumerated", `grep -lxF ${serial} /sys/bus/usb/devices/*/serial`);
}

/**
 * What `usbferry capture` records of three devices is what usbmon of the kernel that uses them records; and either recording makes
 * a device that this kernel enumerates, on which the same is typed again.
 */
export const recordings: Scenario = {
  name: "recordings equal those of usbmon, and replayed ones enumerate",
  timeoutMs: 300_000,
  expected: [
    ...ATTACH_LINES,
    ...SOUND_LINES,
    { pattern: /usbtest .*: unlink retry/, reason: "a request completed just before its unlink" },
  ],
  async run(guest) {
    const closers: (() => Promise<void>)[] = [];
    const context = { after: (close: () => Promise<void>) => void closers.push(close) };
    try {
      const words = ["zero,serial=zero", "keyboard,serial=keyboard,text=usb", "audio,serial=audio"];
      const host = await RecordedHost.start(context, ...words.flatMap((gadget) => ["--gadget", gadget]));
      const recorders = await Promise.all(
        DEVICES.map((device) => host.record(device, "-o", host.path(device))),
      );
      const end = await monitor(guest, MONITORED);
      await guest.loadModule("usbtest");
      const attached = await STOCK_TOOL.attach(guest, portOf(host), DEVICES);
      await drive(guest, attached[0]!);
      await guest.loadModule("usbhid", "hid-generic");
      assert.deepEqual(await typed(guest, host.path("keyboard")), TYPED);
      await sound(guest);
      await guest.unloadModule("usbtest");
      await STOCK_TOOL.detachAll(guest);
      for (const recorder of recorders) assert.equal((await recorder.end("SIGINT")).code, 0);
      assert.equal(await end(), 0, "events that usbmon lost");
      await guest.shell(`cp ${MONITORED} /scratch/usbmon.pcapng`);
      const monitored = join(guest.scratch, "usbmon.pcapng");
      const theirs = readRecording(monitored).events;
      for (const [index, device] of DEVICES.entries()) {
        const { events, dropped } = readRecording(host.path(device));
        assert.equal(dropped, 0);
        const { busnum, devnum } = placeOf(attached[index]!);
        const { urbs, takenBack } = compareRecordings(
          events.filter(({ comment }) => comment === undefined),
          theirs.filter((event) => event.busnum === busnum && event.devnum === devnum),
        );
        const [isochronous, interrupt, control, bulk] = urbs;
        console.log(
          `# ${device}: ${isochronous} isochronous, ${interrupt} interrupt, ${control} control and ${bulk} bulk URBs are equal, ${takenBack} of them taken back`,
        );
        assert(control! > 5 && urbs.reduce((sum, count) => sum + count) > 2 * takenBack);
      }
      const { busnum, devnum } = placeOf(attached[1]!);
      for (const file of [host.path("keyboard"), `${monitored},device=${busnum}.${devnum}`]) {
        const again = await RecordedHost.start(context, "--gadget", `replay,file=${file}`);
        const recorder = await again.record("replay", "-o", again.path("again"));
        await attachReplay(guest, again, "keyboard");
        assert.deepEqual(await typed(guest, again.path("again")), TYPED);
        await STOCK_TOOL.detachAll(guest);
        await recorder.end("SIGINT");
      }
    } finally {
      for (const close of closers.toReversed()) await close();
    }
  },
};

function placeOf({ node }: Attachment): { readonly busnum: number; readonly devnum: number } {
  const [busnum, devnum] = node.split("/").slice(-2).map(Number);
  return { busnum: busnum!, devnum: devnum! };
}
