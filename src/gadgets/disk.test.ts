import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { BulkHost } from "../../test/support/bulk-host.ts";
import { Speed } from "../usb/speed.ts";
import type { BlockFailure, BlockStore } from "./block-store.ts";
import { Disk, type DiskOptions } from "./disk.ts";
import { MemoryStore } from "./memory-store.ts";

const MIB = 1024 * 1024;

/** A store whose calls wait until the test lets them go. */
class HeldStore implements BlockStore {
  readonly blockSize = 512;
  readonly blockCount = 2048;
  readonly readOnly = false;
  readonly calls: { what: string; lba: number; length: number; done: (failure?: BlockFailure) => void }[] =
    [];

  read(lba: number, target: Uint8Array, done: (failure?: BlockFailure) => void): void {
    target.fill(0x5a);
    this.calls.push({ what: "read", lba, length: target.length, done });
  }

  write(lba: number, source: Uint8Array, done: (failure?: BlockFailure) => void): void {
    this.calls.push({ what: "write", lba, length: source.length, done });
  }

  flush(done: (failure?: BlockFailure) => void): void {
    this.calls.push({ what: "flush", lba: 0, length: 0, done });
  }
}

/** Every block begins with its number. Some are at hand, the others are read as soon as the loop has its turn. */
class PartlyAtHand implements BlockStore {
  readonly blockSize = 512;
  readonly blockCount = 4096;
  readonly readOnly = true;
  /** Memory that was filled at once. */
  readonly filled: ArrayBufferLike[] = [];
  waited = 0;
  readonly #isAtHand: (lba: number) => boolean;

  constructor(isAtHand: (lba: number) => boolean) {
    this.#isAtHand = isAtHand;
  }

  read(lba: number, target: Uint8Array, done: (failure?: BlockFailure) => void): void {
    this.waited++;
    setImmediate(() => {
      this.#fill(lba, target);
      done();
    });
  }

  readNow(lba: number, target: Uint8Array): boolean {
    const isAtHand = Array.from({ length: target.length / 512 }, (_, i) => lba + i).every(this.#isAtHand);
    // What is there so far stays behind.
    target.fill(0xee);
    if (!isAtHand) return false;
    this.filled.push(target.buffer);
    this.#fill(lba, target);
    return true;
  }

  write(): void {
    assert.fail("it is read only");
  }

  flush(done: () => void): void {
    done();
  }

  #fill(lba: number, target: Uint8Array): void {
    target.fill(0);
    const words = new DataView(target.buffer, target.byteOffset, target.length);
    for (let at = 0; at < target.length; at += 512) words.setUint32(at, lba + at / 512);
  }
}

function attach(options: Partial<DiskOptions> = {}): BulkHost {
  return new BulkHost(new Disk({ store: new MemoryStore(MIB), serial: "A1", ...options }));
}

/** A command block wrapper with tag 44332211. */
function wrapper(length: number, direction: "in" | "out", block: string): Uint8Array {
  const bytes = new Uint8Array(31);
  bytes.set(annotatedHex("55534243 11223344"));
  new DataView(bytes.buffer).setUint32(8, length, true);
  bytes[12] = direction === "in" ? 0x80 : 0x00;
  const command = annotatedHex(block);
  bytes[14] = command.length;
  bytes.set(command, 15);
  return bytes;
}

function status(residue: number, code: number): string {
  const bytes = annotatedHex("55534253 11223344 00000000 00");
  new DataView(bytes.buffer).setUint32(8, residue, true);
  bytes[12] = code;
  return toHex(bytes);
}

/** Key, code and qualifier of the last failure. */
function sense(host: BulkHost): string {
  host.out(wrapper(18, "in", "03 00 00 00 12 00"));
  const data = host.in(18);
  assert.equal(host.in(13), status(0, 0));
  return `${data.slice(4, 6)}/${data.slice(24, 26)}/${data.slice(26, 28)}`;
}

const TEST_UNIT_READY = "00 00 00 00 00 00";
const READ_1 = "28 00 00000000 00 0001 00";
const WRITE_1 = "2a 00 00000000 00 0001 00";
const BLOCK = new Uint8Array(512).fill(0xcc);

test("the descriptors at super speed", () => {
  const wire = annotatedHex(`
    12 01 2003 00 00 00 09 0912 0100 0001 01 02 03 01  device
    09 02 2c00 01 01 00 c0 01   configuration
    09 04 00 00 02 08 06 50 00  mass storage, SCSI, bulk-only
    07 05 81 02 0004 00         bulk IN
    06 30 0f 00 0000            burst of 16
    07 05 02 02 0004 00         bulk OUT
    06 30 0f 00 0000            burst of 16`);
  assert.equal(toHex(new Disk({ store: new MemoryStore(MIB), serial: "A1" }).descriptors), toHex(wire));
  const high = new Disk({ store: new MemoryStore(MIB), speed: Speed.high }).descriptors;
  assert.equal(
    toHex(high.subarray(18)),
    toHex(
      annotatedHex(`
        09 02 2000 01 01 00 c0 01
        09 04 00 00 02 08 06 50 00
        07 05 81 02 0002 00
        07 05 02 02 0002 00`),
    ),
  );
});

test("GET_MAX_LUN is 0, other class requests stall", () => {
  const host = attach();
  assert.equal(host.control("a1 fe 0000 0000 0100"), "00");
  assert.equal(host.control("a1 fe 0000 0100 0100"), "stall");
  assert.equal(host.control("21 fe 0000 0000 0000"), "stall");
});

// The thirteen cases of Bulk-Only 1.0 §6.7: what the host expects (H), what the device means (D), for no data,
// data in and data out.
test("case 1, Hn = Dn: status alone", () => {
  const host = attach();
  assert.equal(host.out(wrapper(0, "out", TEST_UNIT_READY)), "ok");
  assert.equal(host.in(13), status(0, 0));
});

for (const [name, block] of [
  ["2, Hn < Di", READ_1],
  ["3, Hn < Do", WRITE_1],
] as const) {
  test(`case ${name}: phase error without a stall`, () => {
    const host = attach();
    assert.equal(host.out(wrapper(0, "out", block)), "ok");
    assert.equal(host.in(13), status(0, 2));
  });
}

for (const [name, block, code] of [
  ["passed", TEST_UNIT_READY, 0],
  ["failed", "ff 00 00 00 00 00", 1],
] as const) {
  test(`case 4, Hi > Dn, ${name}: bulk IN stalls, all of it is residue`, () => {
    const host = attach();
    assert.equal(host.out(wrapper(512, "in", block)), "ok");
    assert.equal(host.in(512), "stall");
    assert.equal(host.in(13), "stall", "until the halt is cleared");
    assert.equal(host.clearHalt(0x81), "");
    assert.equal(host.in(13), status(512, code));
  });

  test(`case 9, Ho > Dn, ${name}: bulk OUT stalls, all of it is residue`, () => {
    const host = attach();
    assert.equal(host.out(wrapper(512, "out", block)), "ok");
    assert.equal(host.out(BLOCK), "stall");
    assert.equal(host.in(13), status(512, code));
    assert.equal(host.clearHalt(0x02), "");
    assert.equal(host.out(wrapper(0, "out", TEST_UNIT_READY)), "ok");
    assert.equal(host.in(13), status(0, 0));
  });
}

test("case 5, Hi > Di: the data, then bulk IN stalls", () => {
  const host = attach();
  assert.equal(host.out(wrapper(1024, "in", READ_1)), "ok");
  assert.equal(host.in(1024), "00".repeat(512));
  assert.equal(host.in(13), "stall");
  host.clearHalt(0x81);
  assert.equal(host.in(13), status(512, 0));
});

test("case 6, Hi = Di: data and status, also in pieces", () => {
  const host = attach();
  assert.equal(host.out(wrapper(512, "in", READ_1)), "ok");
  assert.equal(host.in(200), "00".repeat(200));
  assert.equal(host.in(312), "00".repeat(312));
  assert.equal(host.in(13), status(0, 0));
});

for (const [name, length, direction, block, endpoint] of [
  ["7, Hi < Di", 256, "in", READ_1, 0x81],
  ["8, Hi <> Do", 512, "in", WRITE_1, 0x81],
  ["10, Ho <> Di", 512, "out", READ_1, 0x02],
  ["13, Ho < Do", 256, "out", WRITE_1, 0x02],
] as const) {
  test(`case ${name}: a stall, then phase error; nothing moves`, () => {
    const host = attach();
    assert.equal(host.out(wrapper(length, direction, block)), "ok");
    assert.equal(direction === "in" ? host.in(length) : host.out(BLOCK), "stall");
    host.clearHalt(endpoint);
    assert.equal(host.in(13), status(length, 2));
  });
}

test("case 11, Ho > Do: the data is written, the rest stalls", () => {
  const host = attach();
  assert.equal(host.out(wrapper(1024, "out", WRITE_1)), "ok");
  assert.equal(host.out(BLOCK), "ok");
  assert.equal(host.out(BLOCK), "stall");
  assert.equal(host.in(13), status(512, 0));
  host.clearHalt(0x02);
  host.out(wrapper(512, "in", READ_1));
  assert.equal(host.in(512), "cc".repeat(512));
});

test("case 12, Ho = Do: what is written is read again", () => {
  const host = attach();
  assert.equal(host.out(wrapper(512, "out", WRITE_1)), "ok");
  assert.equal(host.out(BLOCK), "ok");
  assert.equal(host.in(13), status(0, 0));
  host.out(wrapper(512, "in", READ_1));
  assert.equal(host.in(512), "cc".repeat(512));
});

test("a wrapper that is not valid halts both endpoints until the transport is reset", () => {
  const good = wrapper(0, "out", TEST_UNIT_READY);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  const bad = [
    good.subarray(0, 30),
    Uint8Array.of(...good, 0),
    changed(0, 0),
    changed(12, 0x40),
    changed(13, 1),
    changed(14, 0),
    changed(14, 17),
    new Uint8Array(0),
  ];
  for (const bytes of bad) {
    const host = attach();
    assert.equal(host.out(bytes), "stall");
    host.clearHalt(0x81);
    host.clearHalt(0x02);
    assert.deepEqual([host.in(13), host.out(good)], ["stall", "stall"], "clearing the halts is not enough");
    assert.equal(host.control("21 ff 0000 0000 0000"), "");
    assert.deepEqual([host.in(13), host.out(good)], ["stall", "stall"], "the reset keeps the halts");
    host.clearHalt(0x81);
    host.clearHalt(0x02);
    assert.equal(host.out(good), "ok");
    assert.equal(host.in(13), status(0, 0));
  }
});

test("the answers to a driver that looks around", () => {
  const host = attach();
  const answers = new Map([
    [
      "12 00 00 00 ff 00",
      `00 00 06 02 1f 00 00 00  a disk, SPC-4
       7573626665727279         usbferry
       4469736b 20202020 20202020 20202020  Disk
       312e3030                 1.00`,
    ],
    ["12 01 00 00 ff 00", "00 00 0003 00 80 83  supported pages"],
    ["12 01 80 00 ff 00", "00 80 0002 4131  serial number"],
    [
      "12 01 83 00 ff 00",
      `00 83 001e 02 01 00 1a  T10 vendor identification
       7573626665727279 4469736b202020202020202020202020 4131`,
    ],
    ["25 00 00000000 0000 00 00", "000007ff 00000200  last block, block length"],
    ["9e 10 0000000000000000 00000020 00 00", `00000000000007ff 00000200 ${"00".repeat(20)}`],
    ["23 00 00 00 00 00 00 00fc 00", "000000 08 00000800 02 000200  formatted"],
    ["a0 00 00 000000 00000010 00 00", "00000008 00000000 0000000000000000  LUN 0"],
    ["1a 00 3f 00 c0 00", `17 00 00 00 08 12 04 ${"00".repeat(17)}  write cache`],
    ["1a 08 08 00 c0 00", `17 00 00 00 08 12 04 ${"00".repeat(17)}`],
    ["1a 00 48 00 c0 00", `17 00 00 00 08 12 00 ${"00".repeat(17)}  nothing can be changed`],
    ["5a 00 08 00000000 00c0 00", `001a 00 00 0000 0000 08 12 04 ${"00".repeat(17)}`],
    ["12 00 00 00 05 00", "00 00 06 02 1f  cut to the allocation length"],
  ]);
  for (const [block, answer] of answers) {
    const length = annotatedHex(answer).length;
    assert.equal(host.out(wrapper(length, "in", block)), "ok");
    assert.equal(host.in(length), toHex(annotatedHex(answer)), block);
    assert.equal(host.in(13), status(0, 0), block);
  }
});

test("a read-only disk says so and refuses to be written", () => {
  const host = attach({ store: new MemoryStore(MIB, true) });
  host.out(wrapper(24, "in", "1a 00 3f 00 c0 00"));
  assert.equal(host.in(24).slice(0, 8), "17008000");
  host.in(13);
  for (const block of ["0a 00 0000 01 00", WRITE_1, "aa 00 00000000 00000001 00 00"]) {
    host.out(wrapper(512, "out", block));
    assert.equal(host.out(BLOCK), "stall");
    host.clearHalt(0x02);
    assert.equal(host.in(13), status(512, 1));
    assert.equal(sense(host), "07/27/00");
  }
});

test("a command that cannot be done fails with its reason", () => {
  const host = attach();
  const reasons = new Map([
    ["ff 00 00 00 00 00", "05/20/00"],
    ["28 00 00000800 00 0001 00", "05/21/00"],
    ["88 00 ffffffffffffffff 00000001 00 00", "05/21/00"],
    ["12 01 99 00 ff 00", "05/24/00"],
    ["12 00 80 00 ff 00", "05/24/00"],
    ["1a 00 0a 00 c0 00", "05/24/00"],
    ["1a 00 c8 00 c0 00", "05/39/00"],
    ["9e 11 0000000000000000 00000020 00 00", "05/24/00"],
    ["2f 02 00000000 00 0001 00", "05/24/00"],
  ]);
  for (const [block, reason] of reasons) {
    host.out(wrapper(0, "out", block));
    assert.equal(host.in(13), status(0, 1), block);
    assert.equal(sense(host), reason, block);
    assert.equal(sense(host), "00/00/00", "told once");
  }
});

test("reads and writes of every length reach the same block", () => {
  const host = attach();
  const commands = [
    ["0a 00 0005 01 00", "08 00 0005 01 00"],
    ["2a 00 00000005 00 0001 00", "28 00 00000005 00 0001 00"],
    ["aa 00 00000005 00000001 00 00", "a8 00 00000005 00000001 00 00"],
    ["8a 00 0000000000000005 00000001 00 00", "88 00 0000000000000005 00000001 00 00"],
  ];
  for (const [i, [write]] of commands.entries()) {
    host.out(wrapper(512, "out", write!));
    assert.equal(host.out(new Uint8Array(512).fill(i + 1)), "ok");
    assert.equal(host.in(13), status(0, 0));
    for (const [, read] of commands) {
      host.out(wrapper(512, "in", read!));
      assert.equal(host.in(512), `0${i + 1}`.repeat(512));
      assert.equal(host.in(13), status(0, 0));
    }
  }
  host.out(wrapper(256 * 512, "in", "08 00 0000 00 00"));
  assert.equal(host.in(256 * 512).length, 2 * 256 * 512, "a length of zero is 256 blocks in READ(6)");
});

test("the write cache is flushed on request, on a forced write and on a stop", () => {
  const store = new HeldStore();
  const host = attach({ store });
  const expect = (block: string, length: number, calls: readonly string[]): void => {
    host.out(wrapper(length, "out", block));
    if (length > 0) host.out(new Uint8Array(length));
    for (const what of calls) {
      const status13 = host.urb(0x81, new Uint8Array(13));
      assert(host.isPending(status13), "no status before the store is done");
      host.device.cancel(status13);
      host.device.flush();
      const call = store.calls.shift()!;
      assert.equal(call.what, what);
      call.done();
    }
    assert.equal(host.in(13), status(0, 0));
    assert.equal(store.calls.length, 0);
  };
  expect("35 00 00000000 00 0000 00", 0, ["flush"]);
  expect("91 00 0000000000000000 00000000 00 00", 0, ["flush"]);
  expect(WRITE_1, 512, ["write"]);
  expect("2a 08 00000000 00 0001 00", 512, ["write", "flush"]);
  expect("1b 00 00 00 00 00", 0, ["flush"]);
  host.out(wrapper(512, "in", READ_1));
  assert.equal(host.in(512), "stall");
  host.clearHalt(0x81);
  host.in(13);
  assert.equal(sense(host), "02/04/02", "stopped");
  expect("1b 00 00 00 01 00", 0, []);
  expect(TEST_UNIT_READY, 0, []);
});

/** Reads 1 MiB from block 3 on, in transfers of these lengths. */
async function readMib(store: PartlyAtHand, lengths: readonly number[]): Promise<readonly Uint8Array[]> {
  const host = attach({ store });
  host.out(wrapper(MIB, "in", "28 00 00000003 00 0800 00"));
  const pieces: Uint8Array[] = [];
  for (const length of lengths) {
    const urb = host.urb(0x81, new Uint8Array(length));
    for (let tries = 0; tries < 100 && host.isPending(urb); tries++) {
      // oxlint-disable-next-line no-await-in-loop -- the store has its turn
      await new Promise((resolve) => void setImmediate(resolve));
      host.loop.settle();
    }
    assert.equal(urb.actualLength, length);
    pieces.push(urb.buffer);
  }
  const whole = Buffer.concat(pieces);
  for (let at = 0; at < MIB; at += 512) assert.equal(whole.readUInt32BE(at), 3 + at / 512);
  assert.equal(host.in(13), status(0, 0));
  return pieces;
}

test("blocks that are at hand go straight to the memory of the host, but for the first", async () => {
  const store = new PartlyAtHand(() => true);
  const [buffer] = await readMib(store, [MIB]);
  assert.equal(store.waited, 0);
  assert.deepEqual(
    store.filled.map((memory) => memory === buffer!.buffer),
    [false, true],
  );
});

for (const [name, isAtHand] of [
  ["all", () => true],
  ["none", () => false],
  ["the first ones", (lba: number) => lba < 700],
  ["the last ones", (lba: number) => lba > 700],
  ["every other stretch", (lba: number) => Math.floor(lba / 300) % 2 === 0],
] as const) {
  test(`blocks arrive whole and in order where ${name} are at hand, however transfers cut them`, async () => {
    await readMib(new PartlyAtHand(isAtHand), [MIB]);
    await readMib(new PartlyAtHand(isAtHand), [100_000, 512, 300_001, 411, MIB - 400_924]);
    await readMib(
      new PartlyAtHand(isAtHand),
      Array.from({ length: 16 }, () => MIB / 16),
    );
  });
}

test("a failing store is a medium error, with the blocks before it moved", () => {
  const store = new HeldStore();
  const failures: string[] = [];
  const host = attach({ store, onFailure: ({ message }) => failures.push(message) });
  host.out(wrapper(512 * 1024, "in", "28 00 00000000 00 0400 00"));
  const data = host.urb(0x81, new Uint8Array(512 * 1024));
  store.calls.shift()!.done();
  assert.deepEqual([store.calls[0]!.lba, store.calls[0]!.length], [512, 256 * 1024]);
  store.calls.shift()!.done({ message: "read: EIO" });
  host.loop.settle();
  assert.equal(data.actualLength, 256 * 1024);
  host.clearHalt(0x81);
  assert.equal(host.in(13), status(256 * 1024, 1));
  assert.equal(sense(host), "03/11/00");

  host.out(wrapper(512, "out", WRITE_1));
  host.out(BLOCK);
  store.calls.shift()!.done({ message: "write: ENOSPC" });
  assert.equal(host.in(13), status(0, 1));
  assert.equal(sense(host), "03/0c/00");
  assert.deepEqual(failures, ["read: EIO", "write: ENOSPC"]);
});

test("a command abandoned while the store works holds back the next, and nothing of it is left", () => {
  const store = new HeldStore();
  const host = attach({ store });
  host.out(wrapper(512, "in", READ_1));
  assert.equal(host.control("21 ff 0000 0000 0000"), "");
  const next = host.urb(0x02, wrapper(0, "out", TEST_UNIT_READY));
  assert(host.isPending(next));
  store.calls.shift()!.done();
  host.loop.settle();
  assert(!host.isPending(next));
  assert.equal(host.in(13), status(0, 0));
});
