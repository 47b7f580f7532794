import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { Speed } from "../usb/speed.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { Zero, type ZeroOptions } from "./zero.ts";

const loopbackConfiguration = (size: string, companion: string) => `
  09 02 ${companion === "" ? "2000" : "2c00"} 01 02 00 c0 01  loopback, value 2
  09 04 00 00 02 ff 00 00 00  interface 0
  07 05 81 02 ${size} 00  bulk IN
  ${companion}
  07 05 01 02 ${size} 00  bulk OUT
  ${companion}
`;

test("the descriptors at full speed", () => {
  const wire = annotatedHex(`
    12 01 0002 ff 00 00 40 2505 a0a4 0001 01 02 00 02  device
    09 02 8f00 01 03 00 c0 01   source/sink, value 3
    09 04 00 00 02 ff 00 00 00  alternate 0
    07 05 81 02 4000 00         bulk IN
    07 05 01 02 4000 00         bulk OUT
    09 04 00 01 04 ff 00 00 00  alternate 1
    07 05 81 02 4000 00         bulk IN
    07 05 01 02 4000 00         bulk OUT
    07 05 82 01 ff03 01         isochronous IN, 1023 bytes each frame
    07 05 02 01 ff03 01         isochronous OUT
    09 04 00 02 04 ff 00 00 00  alternate 2
    07 05 81 02 4000 00         bulk IN
    07 05 01 02 4000 00         bulk OUT
    07 05 83 03 4000 01         interrupt IN, 64 bytes each frame
    07 05 03 03 4000 01         interrupt OUT
    09 04 00 03 04 ff 00 00 00  alternate 3
    07 05 81 02 4000 00         bulk IN
    07 05 01 02 4000 00         bulk OUT
    07 05 82 01 ff03 01         isochronous IN, one packet all the same
    07 05 02 01 ff03 01         isochronous OUT
    ${loopbackConfiguration("4000", "")}`);
  assert.equal(toHex(new Zero({ speed: Speed.full }).descriptors), toHex(wire));
});

test("the descriptors at high speed", () => {
  const wire = annotatedHex(`
    12 01 0002 ff 00 00 40 2505 a0a4 0001 01 02 00 02  device
    09 02 8f00 01 03 00 c0 01   source/sink, value 3
    09 04 00 00 02 ff 00 00 00  alternate 0
    07 05 81 02 0002 00         bulk IN
    07 05 01 02 0002 00         bulk OUT
    09 04 00 01 04 ff 00 00 00  alternate 1
    07 05 81 02 0002 00         bulk IN
    07 05 01 02 0002 00         bulk OUT
    07 05 82 01 0004 04         isochronous IN, 1024 bytes each millisecond
    07 05 02 01 0004 04         isochronous OUT
    09 04 00 02 04 ff 00 00 00  alternate 2
    07 05 81 02 0002 00         bulk IN
    07 05 01 02 0002 00         bulk OUT
    07 05 83 03 0004 04         interrupt IN, 1024 bytes each millisecond
    07 05 03 03 0004 04         interrupt OUT
    09 04 00 03 04 ff 00 00 00  alternate 3
    07 05 81 02 0002 00         bulk IN
    07 05 01 02 0002 00         bulk OUT
    07 05 82 01 0014 01         isochronous IN, 3 x 1024 bytes each microframe
    07 05 02 01 0014 01         isochronous OUT
    ${loopbackConfiguration("0002", "")}`);
  assert.equal(toHex(new Zero().descriptors), toHex(wire));
});

test("the descriptors at super speed", () => {
  const wire = annotatedHex(`
    12 01 2003 ff 00 00 09 2505 a0a4 0001 01 02 03 02  device, with a serial number
    09 02 e300 01 03 00 c0 01   source/sink, value 3
    09 04 00 00 02 ff 00 00 00  alternate 0
    07 05 81 02 0004 00 06 30 00 00 0000  bulk IN
    07 05 01 02 0004 00 06 30 00 00 0000  bulk OUT
    09 04 00 01 04 ff 00 00 00  alternate 1
    07 05 81 02 0004 00 06 30 00 00 0000  bulk IN
    07 05 01 02 0004 00 06 30 00 00 0000  bulk OUT
    07 05 82 01 0004 04 06 30 00 00 0004  isochronous IN, 1024 bytes each millisecond
    07 05 02 01 0004 04 06 30 00 00 0004  isochronous OUT
    09 04 00 02 04 ff 00 00 00  alternate 2
    07 05 81 02 0004 00 06 30 00 00 0000  bulk IN
    07 05 01 02 0004 00 06 30 00 00 0000  bulk OUT
    07 05 83 03 0004 04 06 30 00 00 0004  interrupt IN, 1024 bytes each millisecond
    07 05 03 03 0004 04 06 30 00 00 0004  interrupt OUT
    09 04 00 03 04 ff 00 00 00  alternate 3
    07 05 81 02 0004 00 06 30 00 00 0000  bulk IN
    07 05 01 02 0004 00 06 30 00 00 0000  bulk OUT
    07 05 82 01 0004 01 06 30 02 00 000c  isochronous IN, bursts of three
    07 05 02 01 0004 01 06 30 02 00 000c  isochronous OUT
    ${loopbackConfiguration("0004", "06 30 00 00 0000")}`);
  assert.equal(toHex(new Zero({ speed: Speed.super, serial: "x" }).descriptors), toHex(wire));
});

/** A device with a way to run one URB to its end. */
function open(options: ZeroOptions, configuration: number, alternate = 0) {
  const loop = new ManualLoop();
  const zero = new Zero(options);
  zero.open({ complete: () => {}, unplugged: () => {} }, loop, () => {});
  const run = (urb: Urb): string => {
    zero.submit(urb);
    zero.flush();
    return `${urb.status} ${urb.actualLength}`;
  };
  run(control(Uint8Array.of(0, 9, configuration, 0, 0, 0, 0, 0)));
  run(control(Uint8Array.of(1, 11, alternate, 0, 0, 0, 0, 0)));
  return { run, zero };
}

function control(setup: Uint8Array, data = new Uint8Array(setup[6]! | (setup[7]! << 8))): Urb {
  const urb = createUrb(0);
  urb.endpoint = setup[0]! & 0x80;
  urb.setup.set(setup);
  urb.buffer = data;
  urb.length = data.length;
  return urb;
}

function transfer(endpoint: number, data: Uint8Array, type: TransferType = TransferType.bulk): Urb {
  const urb = createUrb(0);
  urb.endpoint = endpoint;
  urb.type = type;
  urb.buffer = data;
  urb.length = data.length;
  return urb;
}

test("the source sends zeros, or positions in the packet modulo 63", () => {
  const zeros = new Uint8Array(600).fill(0xaa);
  assert.equal(open({}, 3).run(transfer(0x81, zeros)), "0 600");
  assert.deepEqual(zeros, new Uint8Array(600));
  const positions = new Uint8Array(600);
  assert.equal(open({ pattern: 63 }, 3).run(transfer(0x81, positions)), "0 600");
  assert.deepEqual(
    [62, 63, 64, 511, 512, 513].map((i) => positions[i]),
    [62, 0, 1, 7, 0, 1],
  );
});

test("the sink takes a transfer that does not match, then halts", () => {
  for (const [pattern, right, wrong] of [
    [0, Uint8Array.of(0, 0, 0), Uint8Array.of(0, 0, 1)],
    [63, Uint8Array.of(0, 1, 2), Uint8Array.of(0, 1, 3)],
  ] as const) {
    const { run } = open({ pattern }, 3);
    assert.equal(run(transfer(0x01, right)), "0 3");
    assert.equal(run(transfer(0x01, wrong)), "0 3");
    assert.equal(run(transfer(0x01, right)), `${TransferStatus.stall} 0`);
    assert.equal(run(control(annotatedHex("02 01 0000 0100 0000  CLEAR_FEATURE(ENDPOINT_HALT)"))), "0 0");
    assert.equal(run(transfer(0x01, right)), "0 3");
  }
});

test("the sink starts anew with each packet and with each transfer", () => {
  const { run } = open({ pattern: 63, speed: Speed.full }, 3);
  const data = Uint8Array.from({ length: 130 }, (_, i) => (i % 64) % 63);
  assert.equal(run(transfer(0x01, data)), "0 130");
  assert.equal(run(transfer(0x01, data)), "0 130");
});

test("interrupt endpoints are source and sink too", () => {
  const { run } = open({ pattern: 63 }, 3, 2);
  const read = transfer(0x83, new Uint8Array(4), TransferType.interrupt);
  assert.equal(run(read), "0 4");
  assert.deepEqual(read.buffer, Uint8Array.of(0, 1, 2, 3));
  assert.equal(run(transfer(0x03, Uint8Array.of(0, 1, 2), TransferType.interrupt)), "0 3");
});

test("the control buffer is written and read back, up to 4096 bytes", () => {
  const { run } = open({}, 3);
  const bytes = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
  assert.equal(run(control(annotatedHex("40 5b 0000 0000 0010"), bytes.slice())), "0 4096");
  const back = control(annotatedHex("c0 5c 0000 0000 0010"));
  assert.equal(run(back), "0 4096");
  assert.deepEqual(back.buffer, bytes);
  for (const setup of [
    "40 5b 0000 0000 0110",
    "40 5b 0100 0000 0100",
    "40 5b 0000 0100 0100",
    "c0 5b 0000 0000 0100",
  ]) {
    assert.equal(run(control(annotatedHex(setup))), `${TransferStatus.stall} 0`, setup);
  }
});

test("a written transfer is read in pieces, and a longer read ends with it", () => {
  const { run } = open({}, 2);
  assert.equal(run(transfer(0x01, Uint8Array.of(1, 2, 3, 4, 5))), "0 5");
  assert.equal(run(transfer(0x01, Uint8Array.of(6))), "0 1");
  assert.equal(run(transfer(0x01, new Uint8Array(0))), "0 0");
  const pieces = [3, 1, 9, 9, 9].map((length) => transfer(0x81, new Uint8Array(length)));
  assert.deepEqual(pieces.map(run), ["0 3", "0 1", "0 1", "0 1", "0 0"]);
  assert.deepEqual(
    pieces.map(({ buffer, actualLength }) => Array.from(buffer.subarray(0, actualLength))),
    [[1, 2, 3], [4], [5], [6], []],
  );
});

test("writing without reading stops at the buffer, and nothing is lost", () => {
  const { zero } = open({}, 2);
  const writes = Array.from({ length: 20 }, (_, i) => transfer(0x01, new Uint8Array(10_000).fill(i)));
  for (const write of writes) zero.submit(write);
  zero.flush();
  assert.equal(writes.filter(({ actualLength }) => actualLength === 10_000).length, 6);
  for (let i = 0; i < 20; i++) {
    const read = transfer(0x81, new Uint8Array(10_000));
    zero.submit(read);
    zero.flush();
    assert.deepEqual(read.buffer, new Uint8Array(10_000).fill(i));
  }
  assert.equal(writes.filter(({ actualLength }) => actualLength === 10_000).length, 20);
});

test("a cancelled write leaves what it has brought, and takes nothing of others", () => {
  const { run, zero } = open({}, 2);
  const [long, waiting] = [
    transfer(0x01, new Uint8Array(100_000).fill(1)),
    transfer(0x01, new Uint8Array(9)),
  ];
  zero.submit(long);
  zero.submit(waiting);
  zero.cancel(waiting);
  const whole = transfer(0x81, new Uint8Array(100_001));
  assert.equal(run(whole), "0 100000");
  assert.equal(run(transfer(0x01, new Uint8Array(65_536))), "0 65536");
  const full = transfer(0x01, new Uint8Array(9));
  zero.submit(full);
  zero.cancel(full);
  assert.equal(full.actualLength, 0, "there was no room");
  assert.equal(run(transfer(0x81, new Uint8Array(70_000))), "0 65536");
  assert.equal(run(transfer(0x01, Uint8Array.of(1, 2))), "0 2");
  assert.equal(run(transfer(0x81, new Uint8Array(9))), "0 2");
});

test("a new configuration forgets what was written", () => {
  const { run, zero } = open({}, 2);
  run(transfer(0x01, Uint8Array.of(1)));
  run(control(Uint8Array.of(0, 9, 2, 0, 0, 0, 0, 0)));
  const read = transfer(0x81, new Uint8Array(1));
  run(read);
  assert.equal(read.actualLength, 0);
  zero.cancel(read);
  zero.flush();
  assert.equal(read.status, TransferStatus.cancelled);
});
