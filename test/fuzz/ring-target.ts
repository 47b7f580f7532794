import { RingMemory } from "../../src/ring/ring-memory.ts";
import type { HostOutput } from "../../src/ring/sides.ts";
import type { RingStream } from "../../src/ring/streams.ts";
import { createUrb, PACKET_WORDS, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RingPair } from "../support/ring-pair.ts";
import { RingWire } from "../support/ring-wire.ts";
import { StubbornDevice } from "../support/stubborn-device.ts";
import { joined } from "./mutation.ts";
import { addedBody, GUEST_TALK, HOST_TALK, mutateTalk } from "./ring-corpus.ts";
import { requireSame, type Target } from "./target.ts";

/** One for all inputs: it is zeroed by the host that lays it out. */
const MEMORY = new RingMemory(new SharedArrayBuffer(4 << 20));
/** As much as the smallest ring takes at a time. */
const INPUT_MAX = 48 << 10;

function newPair(hostOutput: Partial<HostOutput> = {}): RingPair {
  MEMORY.store(0, 0);
  return new RingPair(new ManualLoop(), { total: 4 << 20, slotSize: 4 << 10, memory: MEMORY, hostOutput });
}

/** What a guest says, against a host with one device. */
export const ringHostTarget: Target = {
  name: "RingHost",
  corpus: GUEST_TALK.map((messages) => joined(messages)),
  mutant: (random) => mutateTalk(GUEST_TALK, random),
  judge(bytes) {
    let streams = 0;
    const accepted = (stream: RingStream): void => {
      streams++;
      stream.start(
        (said) => stream.write([said.slice()], () => {}),
        () => void streams--,
      );
    };
    const pair = newPair({ streams: { peer: "the guest", accepted } });
    const device = new StubbornDevice();
    pair.isGuestDead = true;
    pair.host.share(pair.shareOf(device));
    pair.host.start();
    const wire = new RingWire(MEMORY.bytes, "guest");
    wire.arrive(1);
    pair.settle();
    wire.negotiate();
    pair.settle();
    wire.write(bytes.subarray(0, INPUT_MAX));
    pair.settle();
    device.finishAll({ transfer: 700, packet: 5 });
    for (const reset of device.resets.splice(0)) reset(TransferStatus.ok);
    pair.settle();
    const answered = new Map<number, number>();
    for (const { type, transaction } of wire.read()) {
      if (type === 101 || type === 201) answered.set(transaction, (answered.get(transaction) ?? 0) + 1);
    }
    const asked = submitsIn(bytes);
    for (const [transaction, times] of answered) {
      const most = asked.get(transaction) ?? 0;
      if (times > most)
        throw new Error(`transaction ${transaction} has ${times} answers for ${most} requests`);
    }
    const isOver = pair.hostEnds.length > 0;
    if (!isOver) {
      for (const [transaction, times] of asked)
        requireSame(answered.get(transaction), times, `answers to ${transaction}`);
    }
    let stopped = false;
    pair.host.stop(() => {
      stopped = true;
    });
    pair.settle();
    requireSame(stopped, true, "stopped");
    requireSame(device.opened, device.closed, "opened devices that are closed");
    requireSame(device.held.length, 0, "URBs in flight");
    requireSame(streams, 0, "streams");
    requireSame(pair.loop.timers, 0, "timers");
    return pair.hostEnds[0] === undefined || pair.hostEnds[0] === "" ? "value" : "error";
  },
};

/** How often each transaction is asked for, as far as messages follow each other. */
function submitsIn(bytes: Uint8Array): Map<number, number> {
  const view = Buffer.from(bytes.subarray(0, INPUT_MAX));
  const asked = new Map<number, number>();
  for (let at = 0; at + 32 <= view.length; ) {
    const type = view.readUInt16LE(at + 4);
    const transaction = view.readUInt32LE(at + 12);
    if (type === 100 || type === 200) asked.set(transaction, (asked.get(transaction) ?? 0) + 1);
    // A guest that leaves is not answered any more.
    if (type === 31) break;
    at += Math.max((view.readUInt32LE(at + 8) + 63) & ~63, 64);
  }
  return asked;
}

/** Around the bytes of each URB. */
const MARGIN = 8;

/** What a host says, against a guest with one device and four requests. */
export const ringGuestTarget: Target = {
  name: "RingGuest",
  corpus: HOST_TALK.map((messages) => joined(messages)),
  mutant: (random) => mutateTalk(HOST_TALK, random),
  judge(bytes) {
    const pair = newPair();
    pair.host.start();
    pair.isHostDead = true;
    pair.guest.start();
    const wire = new RingWire(MEMORY.bytes, "host");
    wire.put(0x50, wire.word(0x8c));
    pair.settle();
    const negotiated = Buffer.alloc(32);
    negotiated.writeUInt16LE(0x0101, 4);
    negotiated.writeUInt32LE(31, 8);
    negotiated.writeUInt32LE(256, 12);
    negotiated.writeUInt32LE(32, 16);
    negotiated.writeUInt32LE(wire.word(0x8c), 20);
    negotiated.writeUInt32LE(wire.word(0x4c), 24);
    wire.send(2, 1, 0, negotiated);
    wire.send(3, 0, 1, addedBody(1));
    pair.settle();
    const completed: Urb[] = [];
    const device = pair.devices[0]!;
    let unplugs = 0;
    const host = { complete: (urb: Urb) => completed.push(urb), unplugged: () => unplugs++ };
    device.open(host, pair.loop, () => {});
    const urbs = [
      urbOf(TransferType.bulk, 0x81, 512),
      urbOf(TransferType.interrupt, 0x82, 64),
      urbOf(TransferType.bulk, 0x01, 3000),
      isochronousUrb(),
    ];
    for (const urb of urbs) device.submit(urb);
    device.flush();
    pair.settle();
    let ends = 0;
    pair.guest.dial("the host")!.start(
      () => {},
      () => void ends++,
    );
    wire.write(bytes.subarray(0, INPUT_MAX));
    pair.settle();
    const end = pair.guestEnds[0] ?? "";
    pair.guest.stop(() => {});
    pair.settle();
    requireSame(unplugs, 1, "unplugs");
    requireSame(ends, 1, "ends of the stream");
    requireSame(completed.length, urbs.length, "completed URBs");
    requireSame(new Set(completed).size, urbs.length, "different ones");
    for (const { buffer, offset, length, actualLength, endpoint } of urbs) {
      if (actualLength < 0 || actualLength > length) throw new Error(`${actualLength} of ${length} bytes`);
      const outside = [...buffer.subarray(0, offset), ...buffer.subarray(offset + length)];
      if (outside.some((byte) => byte !== 0xa5))
        throw new Error(`bytes outside of a URB of ${endpoint} were written`);
    }
    requireSame(pair.devices.length, 0, "devices");
    requireSame(pair.loop.timers, 0, "timers");
    return end === "" ? "value" : "error";
  },
};

function urbOf(type: TransferType, endpoint: number, length: number): Urb {
  const urb = createUrb(0);
  urb.type = type;
  urb.endpoint = endpoint;
  urb.length = length;
  urb.offset = MARGIN;
  urb.buffer = new Uint8Array(length + 2 * MARGIN).fill(0xa5);
  return urb;
}

function isochronousUrb(): Urb {
  const urb = urbOf(TransferType.isochronous, 0x83, 32);
  urb.packetCount = 4;
  urb.packets = new Int32Array(4 * PACKET_WORDS);
  for (let i = 0; i < 4; i++) urb.packets.set([8 * i, 8, 0, TransferStatus.notDone], i * PACKET_WORDS);
  return urb;
}
