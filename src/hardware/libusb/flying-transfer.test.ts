import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../test/fuzz/random.ts";
import { GUARD, hostileUrb, MARGIN } from "../../../test/support/hostile-urb.ts";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { SimulatedLibusb } from "../../../test/support/simulated-libusb.ts";
import { Zero } from "../../gadgets/zero.ts";
import { CompletionRounds } from "../../usb/completion-rounds.ts";
import { EndpointMap } from "../../usb/endpoint-map.ts";
import {
  createUrb,
  PACKET_WORDS,
  TransferStatus as Status,
  TransferType as Type,
  type Urb,
  UrbFlag,
} from "../../usb/urb.ts";
import { Traffic } from "../traffic.ts";
import type { Transfer } from "../transfer.ts";
import type { DeviceNode } from "./device-node.ts";
import type { EventHandling } from "./event-handling.ts";
import { FlyingTransfers } from "./flying-transfer.ts";
import type { LibusbCalls } from "./libusb-calls.ts";

const KIB = 1 << 10;
const PART = 64 * KIB;
const [CANCELLED, NO_DEVICE] = [3, 5];

/** A device with bulk endpoints 0x81 and 0x01, and isochronous ones 0x82 and 0x02 of 1,024 bytes. */
class Bench {
  readonly libusb = new SimulatedLibusb();
  readonly completed: Urb[] = [];
  readonly discarded: number[] = [];
  readonly due: Transfer[] = [];
  readonly map: EndpointMap;
  readonly node = { isForgotten: false, isHungUp: false };
  isBusy = false;
  noMemory = 0;
  readonly table: FlyingTransfers;
  readonly traffic: Traffic<LibusbCalls>;
  readonly loop = new ManualLoop();
  #tag = 0;

  constructor() {
    const zero = new Zero();
    this.map = EndpointMap.of(zero.descriptors, zero.speed, 3) as EndpointMap;
    this.map.select(0, 1);
    const host = { complete: (urb: Urb) => void this.completed.push(urb), unplugged: assert.fail };
    const rounds = new CompletionRounds(host, this.loop);
    const events: EventHandling = {
      handle: () => !this.isBusy,
      watch: () => assert.fail(),
      stop: () => assert.fail(),
    };
    const { library } = this.libusb;
    const node = this.node as unknown as DeviceNode;
    this.table = new FlyingTransfers(library, SimulatedLibusb.handle, events, node, () => this.noMemory++);
    this.traffic = new Traffic(this.table, this.map, rounds, PART, {
      due: (transfer) => void this.due.push(transfer),
      told: () => undefined,
      cancelled: () => this.discard(),
    });
  }

  urb(type: number, endpoint: number, length: number, flags = 0): Urb {
    const urb = createUrb(this.#tag++);
    urb.type = type as Urb["type"];
    urb.endpoint = endpoint;
    urb.offset = 5;
    urb.length = length;
    urb.flags = flags;
    urb.buffer = new Uint8Array(length + 10);
    return urb;
  }

  discard(): void {
    const calls = { cancelTransfer: (address: number) => void this.discarded.push(address) };
    this.traffic.discard(calls as unknown as LibusbCalls);
  }

  submit(...urbs: Urb[]): void {
    for (const urb of urbs) this.traffic.submit(urb);
  }

  reap(): boolean {
    const isThere = this.traffic.reap();
    this.loop.settle();
    return isThere;
  }

  results(): number[][] {
    return this.completed.map(({ tag, status, actualLength }) => [tag, status, actualLength]);
  }
}

test("a bulk read goes to the sink's own memory, and libusb is asked for nothing but that", onLinux, () => {
  const bench = new Bench();
  const urb = bench.urb(Type.bulk, 0x81, 1000, UrbFlag.shortNotOk);
  bench.submit(urb);
  const [seen] = bench.libusb.submitted;
  assert.deepEqual([seen!.type, seen!.endpoint, seen!.flags, seen!.length], [2, 0x81, 0, 1000]);
  seen!.write(Uint8Array.of(1, 2, 3), 997);
  assert.deepEqual([bench.reap(), bench.results()], [true, []]);
  seen!.end();
  bench.reap();
  assert.deepEqual(bench.results(), [[0, Status.ok, 1000]]);
  assert.deepEqual([...urb.buffer.subarray(1001, 1006)], [0, 1, 2, 3, 0]);
});

test("a few bytes are copied, and a zero-length packet is asked for behind bulk data alone", onLinux, () => {
  const bench = new Bench();
  const write = bench.urb(Type.bulk, 0x01, 3, UrbFlag.zeroPacket);
  write.buffer.set([9, 8, 7], 5);
  const read = bench.urb(Type.bulk, 0x81, 8, UrbFlag.zeroPacket);
  bench.submit(write, read);
  const [out, into] = bench.libusb.submitted;
  assert.deepEqual([[...out!.bytes], out!.flags, into!.flags], [[9, 8, 7], 0x08, 0]);
  into!.write(Uint8Array.of(1, 2, 3, 4));
  into!.end({ actual: 4 });
  bench.reap();
  assert.deepEqual([...read.buffer.subarray(4, 11)], [0, 1, 2, 3, 4, 0, 0]);
  assert.deepEqual(bench.results(), [[1, Status.ok, 4]]);
});

test("control data stands behind the setup packet", onLinux, () => {
  const bench = new Bench();
  const read = bench.urb(Type.control, 0x80, 4);
  read.setup.set([0x80, 6, 0, 1, 0, 0, 4, 0]);
  bench.submit(read);
  const [seen] = bench.libusb.submitted;
  assert.deepEqual(
    [seen!.type, seen!.endpoint, seen!.length, ...seen!.bytes],
    [0, 0, 12, 0x80, 6, 0, 1, 0, 0, 4, 0, 0, 0, 0, 0],
  );
  seen!.write(Uint8Array.of(18, 1, 0), 8);
  seen!.end({ actual: 3 });
  bench.reap();
  assert.deepEqual([...read.buffer.subarray(4, 9)], [0, 18, 1, 0, 0]);
  assert.deepEqual(bench.results(), [[0, Status.ok, 3]]);
});

test("transfers that end together are told in the order in which they were given", onLinux, () => {
  const bench = new Bench();
  bench.submit(...Array.from({ length: 5 }, () => bench.urb(Type.bulk, 0x81, 512)));
  for (const i of [3, 1, 0]) bench.libusb.submitted[i]!.end();
  bench.reap();
  assert.deepEqual(
    bench.completed.map(({ tag }) => tag),
    [0, 1, 3],
  );
});

test("as long as another thread is inside of libusb nobody looks at its transfers", onLinux, () => {
  const bench = new Bench();
  bench.submit(bench.urb(Type.bulk, 0x81, 512));
  bench.libusb.submitted[0]!.end();
  bench.isBusy = true;
  assert.deepEqual([bench.reap(), bench.results()], [true, []]);
  bench.isBusy = false;
  bench.reap();
  assert.deepEqual(bench.results(), [[0, Status.ok, 512]]);
});

test("a cancelled transfer is libusb's until it says that it has ended", onLinux, () => {
  const bench = new Bench();
  const [first, second] = [bench.urb(Type.bulk, 0x81, 512), bench.urb(Type.bulk, 0x81, 512)];
  bench.submit(first, second);
  bench.traffic.cancel(second);
  bench.traffic.cancel(second);
  assert.deepEqual(bench.discarded, [bench.libusb.submitted[1]!.address]);
  assert.deepEqual([bench.reap(), bench.results()], [true, []]);
  bench.libusb.submitted[1]!.end({ status: CANCELLED, actual: 0 });
  bench.reap();
  assert.deepEqual(bench.results(), [[1, Status.cancelled, 0]]);
  bench.libusb.submitted[0]!.end({ status: NO_DEVICE, actual: 0 });
  bench.reap();
  assert.deepEqual(bench.results().at(-1), [0, Status.disconnected, 0]);
});

test("what Linux has ended of a device that goes is no short transfer", onLinux, () => {
  const bench = new Bench();
  bench.submit(...Array.from({ length: 3 }, () => bench.urb(Type.bulk, 0x81, 512)));
  bench.libusb.submitted[0]!.end({ actual: 7 });
  bench.reap();
  bench.node.isHungUp = true;
  bench.libusb.submitted[1]!.end();
  bench.libusb.submitted[2]!.end({ actual: 0 });
  bench.reap();
  assert.deepEqual(bench.results(), [
    [0, Status.ok, 7],
    [1, Status.ok, 512],
    [2, Status.disconnected, 0],
  ]);
});

test("a device whose node libusb has forgotten is gone, when all has been told", onLinux, () => {
  const bench = new Bench();
  bench.submit(bench.urb(Type.bulk, 0x81, 512));
  bench.node.isForgotten = true;
  bench.libusb.submitted[0]!.end({ status: NO_DEVICE, actual: 0 });
  assert.equal(bench.reap(), true);
  assert.deepEqual(bench.results(), [[0, Status.disconnected, 0]]);
  assert.equal(bench.reap(), false);
});

for (const [code, status] of [
  [-1, Status.protocol],
  [-2, Status.invalid],
  [-4, Status.disconnected],
  [-5, Status.stall],
  [-12, Status.invalid],
  [-99, Status.protocol],
] as const) {
  test(`a transfer that libusb refuses with ${code} ends as ${status}`, onLinux, () => {
    const bench = new Bench();
    bench.libusb.refusals.push(code);
    bench.submit(bench.urb(Type.bulk, 0x81, 512));
    bench.loop.settle();
    assert.deepEqual(bench.results(), [[0, status, 0]]);
  });
}

test("where memory is short a transfer goes in smaller parts", onLinux, () => {
  const bench = new Bench();
  bench.libusb.refusals.push(-11, 0);
  bench.submit(bench.urb(Type.bulk, 0x81, PART));
  assert.deepEqual(
    bench.libusb.submitted.map(({ length }) => length),
    [PART / 2],
  );
  assert.equal(bench.noMemory, 1);
});

function isochronous(bench: Bench, endpoint: number, lengths: readonly number[]): Urb {
  const urb = bench.urb(
    Type.isochronous,
    endpoint,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  urb.packets = new Int32Array(lengths.length * PACKET_WORDS);
  urb.packetCount = lengths.length;
  let offset = 0;
  for (const [i, length] of lengths.entries()) {
    urb.packets.set([offset, length, 0, Status.notDone], i * PACKET_WORDS);
    offset += length;
  }
  return urb;
}

test("isochronous packets go in transfers of 128, and their results come to their places", onLinux, () => {
  const bench = new Bench();
  const urb = isochronous(
    bench,
    0x82,
    Array.from({ length: 130 }, (_, i) => i % 3),
  );
  bench.submit(urb);
  const [most, rest] = bench.libusb.submitted;
  assert.deepEqual([most!.packets.length, rest!.packets, rest!.type], [128, [2, 0], 1]);
  most!.end({ actual: 0, packets: most!.packets.map((length) => ({ actual: length, status: 0 })) });
  rest!.end({
    actual: 0,
    packets: [
      { actual: 1, status: 1 },
      { actual: 0, status: 0 },
    ],
  });
  bench.reap();
  assert.deepEqual([bench.completed[0]!.status, urb.errorCount, urb.actualLength], [Status.ok, 1, 128]);
  assert.deepEqual([...urb.packets.subarray(4 * 128)], [127, 2, 1, Status.protocol, 129, 0, 0, Status.ok]);
});

test("packets that a cancelled transfer has not carried out are told so", onLinux, () => {
  const bench = new Bench();
  const urb = isochronous(bench, 0x82, [8, 8]);
  bench.submit(urb);
  bench.traffic.cancel(urb);
  const packets = [
    { actual: 8, status: 0 },
    { actual: 0, status: 0 },
  ];
  bench.libusb.submitted[0]!.end({ status: CANCELLED, actual: 0, packets });
  bench.reap();
  assert.deepEqual([urb.status, urb.errorCount, urb.actualLength], [Status.cancelled, 1, 8]);
  assert.deepEqual([urb.packets[3], urb.packets[7]], [Status.ok, Status.notDone]);
});

const REFUSALS = [0, 0, 0, 0, 0, -1, -2, -11, -11, -12];
const ENDS = [0, 0, 0, 1, 2, CANCELLED, 4, 6, 77];

test("whatever a sink submits, each URB completes once, and every transfer is freed", onLinux, () => {
  const bench = new Bench();
  const random = new Random(20_261_122);
  const submitted: Urb[] = [];
  let ended = 0;
  const endSome = (count: number): void => {
    for (; count > 0 && ended < bench.libusb.submitted.length; count--) {
      const seen = bench.libusb.submitted[ended++]!;
      seen.write(new Uint8Array(seen.length));
      const most = Math.max(0, seen.type === 0 ? seen.length - 8 : seen.length);
      const packets = seen.packets.map((length) => ({
        actual: random.below(length + 1),
        status: random.pick(ENDS),
      }));
      seen.end({ status: random.pick(ENDS), packets, actual: random.below(most + 1) });
    }
    bench.reap();
    const transfer = bench.due.shift();
    if (transfer === undefined) return;
    bench.traffic.performed(transfer, random.pick([Status.ok, Status.stall, undefined]));
    bench.traffic.release();
    bench.loop.settle();
  };
  for (let round = 0; round < 2000; round++) {
    if (random.oneIn(3) && bench.libusb.refusals.length === 0) {
      bench.libusb.refusals.push(random.pick(REFUSALS));
    }
    // Requests for another configuration are among them, and carried out.
    if (bench.map.configuration !== 3) bench.map.configure(3);
    if (bench.map.alternate(0) !== 1) bench.map.select(0, 1);
    const urb = hostileUrb(random, round);
    submitted.push(urb);
    bench.submit(urb);
    if (random.oneIn(4)) bench.traffic.cancel(random.pick(submitted));
    if (random.oneIn(2)) endSome(random.below(8));
  }
  bench.libusb.refusals.length = 0;
  for (let turn = 0; turn < 10_000 && bench.completed.length < submitted.length; turn++) endSome(100);
  assert.deepEqual(new Set(bench.completed), new Set(submitted));
  assert.equal(bench.completed.length, submitted.length);
  assert(bench.traffic.isIdle);
  assert(bench.libusb.submitted.length > 300, `libusb was given ${bench.libusb.submitted.length} transfers`);
  for (const { tag, buffer, offset } of submitted) {
    const guards = [...buffer.subarray(0, MARGIN), ...buffer.subarray(buffer.length - MARGIN)];
    assert(
      guards.every((byte) => byte === GUARD) || offset !== MARGIN,
      `URB ${tag} reaches beyond its bytes`,
    );
  }
  bench.table.close();
  assert.equal(bench.libusb.allocated.size, 0);
});
