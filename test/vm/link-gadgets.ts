import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { ATTACH_LINES } from "./attachment.ts";
import { blockDevice } from "./disk.ts";
import type { Guest } from "./guest.ts";
import type { ExpectedLine } from "./kernel-log.ts";
import { portsByCall } from "./own-attachment.ts";
import { playAndCapture, SOUND_LINES } from "./scenarios/audio.ts";
import { cancelReads } from "./scenarios/cancelling.ts";
import { writeOnExt4 } from "./scenarios/disk.ts";

const SERIAL_BYTES = 16_384;
const CANCEL_CYCLES = 20;

/** How much is asked of them. */
export interface GadgetLevel {
  readonly diskBytes: number;
  readonly soundSeconds: number;
  /** How often the serial port is opened and closed. */
  readonly openings: number;
}

export const SHORT: GadgetLevel = { diskBytes: 2 << 20, soundSeconds: 2, openings: 20 };
export const FULL: GadgetLevel = { diskBytes: 32 << 20, soundSeconds: 10, openings: 1_000 };

/** What is judged over a link that is not TCP, each under its bus id. */
export const LINK_GADGETS = {
  disk: "disk,size=64M,serial=disk",
  serial: "serial,serial=serial",
  audio: "audio,speed=full,serial=audio",
  zero: "zero,serial=zero",
} as const;
export type LinkGadget = keyof typeof LINK_GADGETS;

/** Lines of the kernel that checking them provokes. */
export const GADGET_LINES: readonly ExpectedLine[] = [...ATTACH_LINES, ...SOUND_LINES];

export interface LinkDevice {
  readonly sysfsName: string;
  readonly node: string;
}

type GadgetCheck = (guest: Guest, device: LinkDevice, level: GadgetLevel) => Promise<void>;

const CHECKS: Readonly<Record<LinkGadget, GadgetCheck>> = {
  async disk(guest, { sysfsName }, { diskBytes }) {
    await writeOnExt4(guest, await blockDevice(guest, sysfsName), randomBytes(diskBytes));
  },
  async serial(guest, _, { openings }) {
    await guest.loadModule("cdc-acm");
    await guest.waitFor("the serial port", "test -c /dev/ttyACM0");
    await guest.shell("stty -F /dev/ttyACM0 raw -echo");
    const exchange = (): Promise<unknown> =>
      guest.call("test/vm/guest/serial.js", "exchange", ["/dev/ttyACM0", SERIAL_BYTES]);
    assert.equal(await exchange(), -1, "the serial port");
    const cycles = ["/dev/ttyACM0", openings];
    await guest.call("test/vm/guest/serial.js", "openAndClose", cycles, 30_000 + openings * 500);
    assert.equal(await exchange(), -1, "the serial port, behind the last time");
  },
  audio: (guest, _, { soundSeconds }) => playAndCapture(guest, soundSeconds),
  zero: (guest, { node }) => cancelReads(guest, node, CANCEL_CYCLES),
};

/** Their drivers use them: ext4, cdc-acm, snd-usb-audio, and a program that cancels reads. */
export async function checkGadgets(
  guest: Guest,
  attached: Readonly<Partial<Record<LinkGadget, LinkDevice>>>,
  level = SHORT,
): Promise<void> {
  for (const gadget of Object.keys(CHECKS) as LinkGadget[]) {
    const device = attached[gadget];
    if (device !== undefined) await CHECKS[gadget](guest, device, level);
  }
}

/** Waits until those and no others are attached, by whomever. */
export async function untilAttached(
  guest: Guest,
  gadgets: readonly LinkGadget[],
): Promise<Readonly<Partial<Record<LinkGadget, LinkDevice>>>> {
  let found: Partial<Record<LinkGadget, LinkDevice>> = {};
  await guest.waitFor(
    `${gadgets.join(", ")} to be attached`,
    async () => {
      const { ports } = await portsByCall(guest);
      const there = ports.filter(({ node }) => node !== undefined);
      found = Object.fromEntries(
        there.map(({ busid = "", sysfsName = "", node = "" }) => [busid, { sysfsName, node }]),
      );
      return ports.length === gadgets.length && gadgets.every((gadget) => found[gadget] !== undefined);
    },
    60_000,
  );
  return found;
}

export async function detachEverything(guest: Guest): Promise<void> {
  await guest.call("src/daemon/ports.js", "detachAll", []);
  assert.deepEqual(await portsByCall(guest), { ports: [], waiting: [], wishes: [] });
}
