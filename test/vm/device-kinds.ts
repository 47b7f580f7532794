import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import {
  cardReader,
  type EmulatedDevice,
  KEYBOARD,
  MOUSE,
  moveMouse,
  networkAdapter,
  type PluggedDevice,
  player,
  pressKeys,
  serialAdapter,
} from "./emulated-device.ts";
import type { Answer, Turn } from "./guest/conversation.ts";
import type { Guest } from "./guest.ts";
import { inputEvents } from "./input-events.ts";
import { ANSWER_TO_RESET, cardAnswer, insertCard } from "./smart-card.ts";

/** A device as the kernel shows it that uses it. */
export interface UsableDevice {
  readonly sysfsName: string;
  /** /dev/bus/usb/BBB/DDD */
  readonly node: string;
}

/** The guest that has it uses it, through its kernel's driver where there is one. */
export type Judge = (guest: Guest, use: UsableDevice) => Promise<void>;

/** A device of one kind, in the machine of `owner`, which moves what is to be moved. */
export interface DeviceOfKind {
  readonly device: EmulatedDevice;
  readonly judge: Judge;
}

export interface DeviceKind {
  readonly words: string;
  /** The kernel's driver of its first interface. */
  readonly driver?: string;
  readonly modules: readonly string[];
  readonly make: (owner: Guest) => Promise<DeviceOfKind>;
}

/** A device of a kind that is plugged in. */
export interface PluggedKind {
  readonly kind: DeviceKind;
  readonly judge: Judge;
  readonly at: PluggedDevice;
}

/** include/uapi/linux/input-event-codes.h */
const EV_KEY = 1;
const EV_REL = 2;

export const keyboard: DeviceKind = {
  words: "keyboard",
  driver: "usbhid",
  modules: ["usbhid", "hid-generic", "evdev"],
  async make(owner) {
    return {
      device: KEYBOARD,
      async judge(guest, use) {
        const { events, stop } = await inputEvents(guest, use);
        const keys = (): number[][] =>
          events.filter(({ type }) => type === EV_KEY).map(({ code, value }) => [code, value]);
        await pressKeys(owner, ["u", "s", "b"]);
        await guest.waitFor("the last key", () => keys().length >= 6).finally(stop);
        const [u, s, b] = [22, 31, 48];
        assert.deepEqual(
          keys(),
          [u, s, b].flatMap((code) => [
            [code, 1],
            [code, 0],
          ]),
        );
      },
    };
  },
};

const mouse: DeviceKind = {
  words: "mouse",
  driver: "usbhid",
  modules: ["usbhid", "hid-generic", "evdev"],
  async make(owner) {
    return {
      device: MOUSE,
      async judge(guest, use) {
        const { events, stop } = await inputEvents(guest, use);
        const moved = (axis: number): number =>
          events
            .filter(({ type, code }) => type === EV_REL && code === axis)
            .reduce((sum, { value }) => sum + value, 0);
        await moveMouse(owner, 5, -3);
        await guest.waitFor("both axes to move", () => moved(0) !== 0 && moved(1) !== 0).finally(stop);
        assert.deepEqual([moved(0), moved(1)], [5, -3]);
      },
    };
  },
};

export const serial: DeviceKind = {
  words: "serial adapter",
  driver: "ftdi_sio",
  modules: ["ftdi_sio"],
  async make(owner) {
    const { device, wire } = await serialAdapter(owner);
    wire.on("data", (bytes: Buffer) => wire.write(bytes));
    return {
      device,
      async judge(guest, { sysfsName }) {
        const folder = `/sys/bus/usb/devices/${sysfsName}:1.0/ttyUSB*`;
        await guest.waitFor("a port", `test -c /dev/$(basename ${folder})`);
        const port = `/dev/${(await guest.shell(`basename ${folder}`)).trim()}`;
        await guest.shell(`stty -F ${port} raw -echo`);
        const wrong = await guest.call("test/vm/guest/serial.js", "exchange", [port, 65_536]);
        assert.equal(wrong, -1, "the first byte that differs");
      },
    };
  },
};

const card: DeviceKind = {
  words: "smart-card reader",
  modules: [],
  async make(owner) {
    const { device, wire } = await cardReader(owner);
    let isInserted = false;
    return {
      device,
      async judge(guest, { node }) {
        if (!isInserted) insertCard(wire);
        isInserted = true;
        const select = Buffer.from("00a4040000", "hex");
        const [, reset, , answer] = await converse(guest, node, [
          { out: 0x03, text: ccid(CCID.powerOn, Buffer.alloc(0)) },
          { in: 0x82 },
          { out: 0x03, text: ccid(CCID.exchange, select) },
          { in: 0x82 },
        ]);
        assert.equal(hex(reset!).slice(20), ANSWER_TO_RESET.toString("hex"));
        assert.equal(hex(answer!).slice(20), cardAnswer(select).toString("hex"));
      },
    };
  },
};

/** bMessageType (CCID 1.1 §6.1) */
const CCID = { powerOn: 0x62, exchange: 0x6f } as const;

/** A message to the reader: type, length, slot, sequence number, three bytes of the type's own; then data. */
function ccid(type: number, data: Buffer): string {
  const header = Buffer.alloc(10);
  header.writeUInt8(type, 0);
  header.writeUInt32LE(data.length, 1);
  return Buffer.concat([header, data]).toString("latin1");
}

const mtp: DeviceKind = {
  words: "media player",
  modules: [],
  async make(owner) {
    const folder = join(owner.folder, "media");
    const content = randomBytes(300_000);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "song"), content);
    return {
      device: player(folder),
      async judge(guest, { node }) {
        const answers = { in: 0x81, length: 1 << 20 };
        const turns = [mtpCommand(MTP.openSession, 0, 1), answers];
        turns.push(mtpCommand(MTP.handles, 1, 0xffffffff, 0, 0xffffffff), answers, answers);
        const [, , , list] = await converse(guest, node, turns);
        const handle = Buffer.from(list!.text, "latin1").readUInt32LE(16); // behind the header and a count
        const [, file] = await converse(guest, node, [
          mtpCommand(MTP.object, 2, handle),
          answers,
          answers,
          mtpCommand(MTP.closeSession, 3),
          answers,
        ]);
        assert.ok(Buffer.from(file!.text, "latin1").subarray(12).equals(content), "the file is as it was");
      },
    };
  },
};

/** Operation codes (PTP, ISO 15740, clause 10.4). */
const MTP = { openSession: 0x1002, closeSession: 0x1003, handles: 0x1007, object: 0x1009 } as const;

/** A command container: length, type 1, code, transaction, parameters. */
function mtpCommand(code: number, transaction: number, ...parameters: readonly number[]): Turn {
  const bytes = Buffer.alloc(12 + 4 * parameters.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(1, 4);
  bytes.writeUInt16LE(code, 6);
  bytes.writeUInt32LE(transaction, 8);
  for (const [i, parameter] of parameters.entries()) bytes.writeUInt32LE(parameter, 12 + 4 * i);
  return { out: 0x02, text: bytes.toString("latin1") };
}

const network: DeviceKind = {
  words: "network adapter",
  driver: "cdc_ether",
  modules: ["cdc_ether", "rndis_host"],
  async make(owner) {
    const device = await networkAdapter(owner);
    return {
      device,
      async judge(guest, { sysfsName }) {
        const content = randomBytes(200_000);
        const server = createServer((socket) => socket.end(content)).listen(0, "127.0.0.1");
        await once(server, "listening");
        const { port } = server.address() as AddressInfo;
        const folder = `/sys/bus/usb/devices/${sysfsName}:*/net`;
        await guest.waitFor("a network interface", `ls ${folder}`);
        const sum = await guest.shell(
          `name=$(ls ${folder})
           ip address add 10.0.3.15/24 dev $name && ip link set $name up
           nc 10.0.3.2 ${port} </dev/null | sha256sum
           ip link set $name down`,
        );
        server.close();
        assert.equal(sum.split(" ")[0], createHash("sha256").update(content).digest("hex"));
      },
    };
  },
};

export const DEVICE_KINDS: readonly DeviceKind[] = [keyboard, mouse, serial, card, mtp, network];

async function converse(guest: Guest, node: string, turns: readonly Turn[]): Promise<readonly Answer[]> {
  const answers = await guest.call("test/vm/guest/conversation.js", "converse", [node, turns]);
  for (const { status } of answers as Answer[]) assert.equal(status, 0);
  return answers as Answer[];
}

function hex({ text }: Answer): string {
  return Buffer.from(text, "latin1").toString("hex");
}
