import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { type SeenUrb, SimulatedUsbfs } from "../../../test/support/simulated-usbfs.ts";
import { createGadget, parseGadgetSpec } from "../../gadgets/catalog.ts";
import { CallList } from "../../linux/call-list.ts";
import { CompletionRounds } from "../../usb/completion-rounds.ts";
import { answerIn } from "../../usb/control-data.ts";
import { EndpointMap } from "../../usb/endpoint-map.ts";
import {
  createUrb,
  PACKET_WORDS,
  TransferStatus as Status,
  TransferType as Type,
  type Urb,
  UrbFlag,
} from "../../usb/urb.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { Traffic } from "../traffic.ts";
import { KernelUrbs } from "./kernel-urb.ts";
import type { UsbfsCalls } from "./usbfs-calls.ts";

const KIB = 1 << 10;
const PART = 64 * KIB;
const ENOMEM = 12;
const ENOENT = 2;
const EINVAL = 22;
const EREMOTEIO = 121;

/** A device with bulk endpoints 0x81 and 0x01, and isochronous ones 0x82 and 0x02 of 1,024 bytes. */
function endpoints(): { readonly map: EndpointMap } {
  const specification = parseGadgetSpec("zero");
  assert(!(specification instanceof Error));
  const device = createGadget(specification as Parameters<typeof createGadget>[0]);
  const map = EndpointMap.of(device.descriptors, device.speed, 3);
  assert(!(map instanceof ProtocolError));
  map.select(0, 1);
  return { map };
}

class Bench {
  readonly kernel = new SimulatedUsbfs();
  readonly completed: Urb[] = [];
  readonly due: number[] = [];
  told: Uint8Array | undefined;
  readonly traffic: Traffic<Pick<UsbfsCalls, "list">>;
  noMemory = 0;
  cancelled = 0;
  readonly #loop = new ManualLoop();
  #tag = 0;

  constructor() {
    const urbs = KernelUrbs.open(this.kernel.libc);
    assert(urbs instanceof KernelUrbs);
    urbs.use(3, () => this.noMemory++);
    const host = { complete: (urb: Urb) => void this.completed.push(urb), unplugged: assert.fail };
    const rounds = new CompletionRounds(host, this.#loop);
    this.traffic = new Traffic(urbs, endpoints().map, rounds, PART, {
      due: (transfer) => void this.due.push(transfer.urb.tag),
      told: (urb) => this.told && answerIn(urb, this.told),
      cancelled: () => this.cancelled++,
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

  submit(...urbs: Urb[]): void {
    for (const urb of urbs) this.traffic.submit(urb);
  }

  /** The kernel's last URB ends, and what ended is taken. */
  end(result?: Parameters<SeenUrb["end"]>[0]): void {
    this.kernel.submitted.at(-1)!.end(result);
    this.reap();
  }

  reap(): void {
    this.traffic.reap();
    this.#loop.settle();
  }

  settle(): void {
    this.#loop.settle();
  }

  results(): number[][] {
    return this.completed.map(({ tag, status, actualLength }) => [tag, status, actualLength]);
  }
}

const lengths = (kernel: SimulatedUsbfs): number[] => kernel.submitted.map(({ length }) => length);

test("a bulk read goes to the sink's own memory", onLinux, () => {
  const bench = new Bench();
  const urb = bench.urb(Type.bulk, 0x81, 1000, UrbFlag.shortNotOk);
  bench.submit(urb);
  const [seen] = bench.kernel.submitted;
  assert.deepEqual([seen!.type, seen!.endpoint, seen!.flags, seen!.length], [3, 0x81, 0x01, 1000]);
  seen!.write(Uint8Array.of(1, 2, 3), 997);
  bench.end();
  assert.deepEqual(bench.results(), [[0, Status.ok, 1000]]);
  assert.deepEqual([...urb.buffer.subarray(1001, 1006)], [0, 1, 2, 3, 0]);
});

test("a few bytes are copied, both ways", onLinux, () => {
  const bench = new Bench();
  const write = bench.urb(Type.bulk, 0x01, 3, UrbFlag.zeroPacket);
  write.buffer.set([9, 8, 7], 5);
  const read = bench.urb(Type.bulk, 0x81, 8);
  bench.submit(write, read);
  assert.deepEqual([...bench.kernel.submitted[0]!.bytes], [9, 8, 7]);
  assert.equal(bench.kernel.submitted[0]!.flags, 0x40);
  bench.kernel.submitted[1]!.write(Uint8Array.of(1, 2, 3, 4));
  bench.end({ actual: 4 });
  assert.deepEqual([...read.buffer.subarray(4, 11)], [0, 1, 2, 3, 4, 0, 0]);
  assert.deepEqual(bench.results(), [[1, Status.ok, 4]]);
});

test("control data stands behind the setup packet", onLinux, () => {
  const bench = new Bench();
  const read = bench.urb(Type.control, 0x80, 4);
  read.setup.set([0x80, 6, 0, 1, 0, 0, 4, 0]);
  bench.submit(read);
  const [seen] = bench.kernel.submitted;
  assert.deepEqual(
    [seen!.type, seen!.length, ...seen!.bytes],
    [2, 12, 0x80, 6, 0, 1, 0, 0, 4, 0, 0, 0, 0, 0],
  );
  seen!.write(Uint8Array.of(18, 1, 0), 8);
  bench.end({ actual: 3 });
  assert.deepEqual([...read.buffer.subarray(4, 9)], [0, 18, 1, 0, 0]);
  assert.deepEqual(bench.results(), [[0, Status.ok, 3]]);

  const large = bench.urb(Type.control, 0x00, 5000);
  large.setup.set([0x40, 1, 0, 0, 0, 0, 5000 & 0xff, 5000 >> 8]);
  large.buffer.fill(0x77, 5, 5005);
  bench.submit(large);
  const [, sent] = bench.kernel.submitted;
  assert.equal(sent!.length, 5008);
  assert(sent!.bytes.subarray(8).every((byte) => byte === 0x77));
});

test(
  "what is more than the kernel takes goes in parts, one after the other, before the next",
  onLinux,
  () => {
    const bench = new Bench();
    const large = bench.urb(Type.bulk, 0x81, 2 * PART + 100);
    const next = bench.urb(Type.bulk, 0x81, 512);
    bench.submit(large, next);
    assert.deepEqual(lengths(bench.kernel), [PART]);
    bench.end();
    assert.deepEqual(lengths(bench.kernel), [PART, PART]);
    bench.kernel.submitted[1]!.write(Uint8Array.of(0xaa));
    bench.end();
    assert.deepEqual(lengths(bench.kernel), [PART, PART, 100, 512]);
    assert.equal(large.buffer[5 + PART], 0xaa);
    bench.kernel.submitted[2]!.end();
    bench.kernel.submitted[3]!.end();
    bench.reap();
    assert.deepEqual(bench.results(), [
      [0, Status.ok, 2 * PART + 100],
      [1, Status.ok, 512],
    ]);
  },
);

for (const [how, result, flags, status] of [
  ["a short packet", { actual: 7 }, 0, Status.ok],
  ["a short packet that is not welcome", { actual: 7 }, UrbFlag.shortNotOk, Status.short],
  ["a stall", { status: -32, actual: 7 }, 0, Status.stall],
  ["babble", { status: -75, actual: 7 }, UrbFlag.shortNotOk, Status.overflow],
] as const) {
  test(`${how} in one part ends the transfer, and the next begins`, onLinux, () => {
    const bench = new Bench();
    bench.submit(bench.urb(Type.bulk, 0x81, 3 * PART, flags), bench.urb(Type.bulk, 0x81, 512));
    bench.end();
    assert.equal(bench.kernel.submitted[1]!.flags, 0, "only the whole transfer can be too short");
    bench.end(result);
    assert.deepEqual(lengths(bench.kernel), [PART, PART, 512]);
    assert.deepEqual(bench.results(), [[0, status, PART + 7]]);
  });
}

test("the zero-length packet belongs behind the last part", onLinux, () => {
  const bench = new Bench();
  bench.submit(bench.urb(Type.bulk, 0x01, 2 * PART, UrbFlag.zeroPacket));
  bench.end();
  bench.end();
  assert.deepEqual(
    bench.kernel.submitted.map(({ flags }) => flags),
    [0, 0x40],
  );
  assert.deepEqual(bench.results(), [[0, Status.ok, 2 * PART]]);
});

test(
  "where memory is short a transfer goes in smaller parts, and fails when none is small enough",
  onLinux,
  () => {
    const bench = new Bench();
    bench.kernel.refusals.push(ENOMEM, 0);
    bench.submit(bench.urb(Type.bulk, 0x81, PART));
    assert.deepEqual(lengths(bench.kernel), [PART / 2]);
    bench.end();
    bench.end();
    bench.kernel.refusals.push(ENOMEM, ENOMEM, ENOMEM);
    bench.submit(bench.urb(Type.bulk, 0x81, PART));
    bench.settle();
    assert.deepEqual(bench.results(), [
      [0, Status.ok, PART],
      [1, Status.noMemory, 0],
    ]);
    assert.equal(bench.noMemory, 4);
  },
);

test("where memory is short and older ones have it, a URB waits for them", onLinux, () => {
  const bench = new Bench();
  bench.kernel.refusals.push(0, ENOMEM);
  bench.submit(bench.urb(Type.bulk, 0x81, PART), bench.urb(Type.bulk, 0x81, PART));
  assert.deepEqual(lengths(bench.kernel), [PART]);
  bench.end();
  assert.deepEqual(lengths(bench.kernel), [PART, PART]);
  bench.end();
  assert.deepEqual(bench.results(), [
    [0, Status.ok, PART],
    [1, Status.ok, PART],
  ]);
});

test("a refused URB ends behind older ones", onLinux, () => {
  const bench = new Bench();
  bench.kernel.refusals.push(0, ENOENT);
  bench.submit(
    bench.urb(Type.bulk, 0x81, 512),
    bench.urb(Type.bulk, 0x81, 512),
    bench.urb(Type.bulk, 0x81, 512),
  );
  bench.settle();
  assert.deepEqual(bench.results(), []);
  bench.kernel.submitted[0]!.end();
  bench.reap();
  assert.deepEqual(bench.results(), [
    [0, Status.ok, 512],
    [1, Status.stall, 0],
  ]);
  assert.equal(bench.kernel.submitted.length, 2);
});

test("nothing outside of the sink's buffer reaches the kernel", onLinux, () => {
  const bench = new Bench();
  const urbs = Array.from({ length: 6 }, () => bench.urb(Type.bulk, 0x81, 10));
  urbs[0]!.length = 16;
  urbs[1]!.offset = -1;
  urbs[2]!.length = Number.NaN;
  urbs[3]!.type = Type.interrupt;
  urbs[4]!.type = Type.isochronous;
  urbs[5]!.endpoint = 0x85;
  bench.submit(...urbs);
  const control = bench.urb(Type.control, 0x00, 4);
  control.setup.set([0x40, 1, 0, 0, 0, 0, 5, 0]);
  bench.submit(control);
  bench.settle();
  const { invalid, stall } = Status;
  assert.deepEqual(
    bench.completed.map(({ status }) => status),
    [invalid, invalid, invalid, invalid, invalid, stall, invalid],
  );
  assert.deepEqual(bench.kernel.submitted, []);
});

function isochronous(bench: Bench, endpoint: number, packets: readonly number[], gap: number): Urb {
  const urb = bench.urb(
    Type.isochronous,
    endpoint,
    packets.reduce((sum, length) => sum + length + gap, 0),
  );
  urb.packetCount = packets.length;
  urb.packets = new Int32Array(packets.length * PACKET_WORDS);
  let offset = 0;
  for (const [i, length] of packets.entries()) {
    urb.packets.set([offset, length, 0, Status.notDone], i * PACKET_WORDS);
    offset += length + gap;
  }
  return urb;
}

test("more packets than the kernel takes go in several URBs at once, and come back as one", onLinux, () => {
  const bench = new Bench();
  const packets = Array.from({ length: 300 }, (_, i) => i % 200);
  const urb = isochronous(bench, 0x82, packets, 0);
  urb.flags = UrbFlag.isoAsap;
  bench.submit(urb);
  const seen = bench.kernel.submitted;
  assert.deepEqual(
    seen.map((part) => part.packets),
    [packets.slice(0, 128), packets.slice(128, 256), packets.slice(256)],
  );
  assert.deepEqual(
    seen.map(({ type, flags }) => [type, flags]),
    [
      [0, 2],
      [0, 2],
      [0, 2],
    ],
  );
  for (const [i, part] of seen.entries()) {
    part.write(Uint8Array.of(i + 1), 1);
    part.end({
      packets: part.packets.map((length, k) =>
        k === 3 ? { actual: 0, status: -71 } : { actual: length, status: 0 },
      ),
    });
  }
  bench.reap();
  const failed = [3, 131, 259];
  const sum = packets.reduce((total, length, i) => total + (failed.includes(i) ? 0 : length), 0);
  assert.deepEqual(bench.results(), [[0, Status.ok, sum]]);
  assert.equal(urb.errorCount, 3);
  assert.deepEqual(
    Array.from({ length: 300 }, (_, i) => urb.packets[i * PACKET_WORDS + 3]).flatMap((status, i) =>
      status === Status.ok ? [] : [[i, status]],
    ),
    failed.map((i) => [i, Status.protocol]),
  );
  const offset = (packet: number): number => urb.offset + urb.packets[packet * PACKET_WORDS]!;
  assert.deepEqual(
    [0, 128, 256].map((first) => urb.buffer[offset(first) + 1]),
    [1, 2, 3],
  );
});

test("packets that lie apart are gathered and scattered", onLinux, () => {
  const bench = new Bench();
  const write = isochronous(bench, 0x02, [2, 0, 3], 4);
  write.buffer.set([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 5], write.offset);
  const read = isochronous(bench, 0x82, [2, 3], 2);
  // Endpoint 0x02 is in alternate setting 1 as well as 0x82.
  bench.submit(write, read);
  const [sent, asked] = bench.kernel.submitted;
  assert.deepEqual([...sent!.bytes], [1, 2, 3, 4, 5]);
  asked!.write(Uint8Array.of(1, 2, 3, 4, 5));
  asked!.end({
    packets: [
      { actual: 1, status: 0 },
      { actual: 3, status: 0 },
    ],
  });
  bench.reap();
  assert.deepEqual([...read.buffer.subarray(5, 14)], [1, 0, 0, 0, 3, 4, 5, 0, 0]);
  assert.deepEqual(bench.results(), [[1, Status.ok, 4]]);
});

test("packets that the kernel does not take are left out, the others keep their results", onLinux, () => {
  const bench = new Bench();
  const urb = isochronous(
    bench,
    0x82,
    Array.from({ length: 130 }, () => 8),
    0,
  );
  bench.kernel.refusals.push(0, EINVAL);
  bench.submit(urb);
  bench.end({ packets: Array.from({ length: 128 }, () => ({ actual: 8, status: 0 })) });
  assert.deepEqual(bench.results(), [[0, Status.invalid, 1024]]);
  assert.deepEqual(
    [127, 128, 129].map((i) => urb.packets[i * PACKET_WORDS + 3]),
    [Status.ok, Status.notDone, Status.notDone],
  );
  assert.equal(urb.errorCount, 2);
});

test("what waits is cancelled at once, what the kernel has when it lets go", onLinux, () => {
  const bench = new Bench();
  const large = bench.urb(Type.bulk, 0x81, 2 * PART);
  const waiting = bench.urb(Type.bulk, 0x81, 10);
  bench.submit(large, waiting);
  bench.traffic.cancel(waiting);
  bench.traffic.cancel(large);
  bench.traffic.cancel(large);
  bench.settle();
  assert.deepEqual(bench.results(), [[1, Status.cancelled, 0]]);
  assert.equal(bench.cancelled, 1);
  const calls = new CallList();
  bench.traffic.discard({ list: calls });
  bench.traffic.discard({ list: calls });
  assert.equal(calls.length, 1);
  bench.end({ status: -ENOENT, actual: 3 });
  assert.deepEqual(bench.results().at(-1), [0, Status.cancelled, 3]);
});

test(
  "a part that had finished when its transfer was cancelled keeps its bytes, and is the last",
  onLinux,
  () => {
    const bench = new Bench();
    const large = bench.urb(Type.bulk, 0x81, 2 * PART);
    bench.submit(large);
    bench.traffic.cancel(large);
    bench.end();
    assert.deepEqual(bench.results(), [[0, Status.cancelled, PART]]);
    const whole = bench.urb(Type.bulk, 0x81, PART);
    bench.submit(whole);
    bench.traffic.cancel(whole);
    bench.end({ status: -EREMOTEIO, actual: 1 });
    assert.deepEqual(bench.results().at(-1), [1, Status.short, 1]);
  },
);

test("a request for the operating system waits for older ones, and younger ones for it", onLinux, () => {
  const bench = new Bench();
  const request = (...setup: number[]): Urb => {
    const urb = bench.urb(Type.control, 0x00, 0);
    urb.setup.set(setup);
    return urb;
  };
  bench.submit(
    request(0x40, 1),
    request(0x01, 11, 1, 0, 0, 0),
    request(0x40, 2),
    bench.urb(Type.bulk, 0x81, 512),
  );
  assert.deepEqual([bench.due, bench.kernel.submitted.length], [[], 2]);
  bench.kernel.submitted[0]!.end({ actual: 0 });
  bench.reap();
  assert.deepEqual([bench.due, bench.kernel.submitted.length], [[1], 2]);
});

test("while the kernel must not be asked, what is known is told in its turn", onLinux, () => {
  const bench = new Bench();
  const read = (): Urb => {
    const urb = bench.urb(Type.control, 0x80, 255);
    urb.setup.set([0x80, 6, 0, 3, 0, 0, 255, 0]);
    return urb;
  };
  const write = bench.urb(Type.control, 0x00, 0);
  write.setup.set([0x40, 1, 0, 0, 0, 0, 0, 0]);
  bench.traffic.hold();
  bench.submit(read(), read());
  bench.settle();
  assert.deepEqual(bench.results(), []);
  bench.told = Uint8Array.of(4, 3, 9, 4);
  bench.traffic.look();
  bench.settle();
  assert.deepEqual(bench.results(), [
    [1, Status.ok, 4],
    [2, Status.ok, 4],
  ]);
  assert.deepEqual([...bench.completed[0]!.buffer.subarray(4, 10)], [0, 4, 3, 9, 4, 0]);
  bench.told = undefined;
  bench.submit(write);
  bench.told = Uint8Array.of(4, 3, 9, 4);
  bench.submit(read());
  bench.settle();
  assert.deepEqual([bench.completed.length, bench.kernel.submitted.length], [2, 0]);
  bench.traffic.release();
  assert.equal(bench.kernel.submitted.length, 2);
});

test("when the device is gone everything ends as disconnected", onLinux, () => {
  const bench = new Bench();
  bench.submit(bench.urb(Type.bulk, 0x81, 2 * PART), bench.urb(Type.bulk, 0x81, 10));
  bench.kernel.isGone = true;
  assert.equal(bench.traffic.reap(), false);
  bench.traffic.end(Status.disconnected);
  bench.submit(bench.urb(Type.bulk, 0x01, 10));
  bench.end({ status: -108, actual: 0 });
  assert.deepEqual(
    bench.results().toSorted(([a], [b]) => a! - b!),
    [
      [0, Status.disconnected, 0],
      [1, Status.disconnected, 0],
      [2, Status.disconnected, 0],
    ],
  );
  assert(bench.traffic.isIdle);
});
