import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameHeader, MAX_PAYLOAD } from "./messages.ts";
import { DeviceLanes, Outbox, PASSED_MAX, Priority } from "./outbox.ts";
import { HEAD, Outgoing } from "./outgoing.ts";

const MIB = 1 << 20;

/** A frame as it left. */
interface Sent {
  readonly type: number;
  readonly sequence: number;
  readonly size: number;
  readonly reserved: number;
}

/** An outbox whose link takes a batch when the test says so. */
class Wire {
  readonly outbox: Outbox;
  readonly sent: Sent[] = [];
  #taken: (() => void) | undefined;

  constructor() {
    this.outbox = new Outbox((chunks, written) => {
      assert.equal(this.#taken, undefined, "one batch at a time");
      this.#taken = written;
      const bytes = Buffer.concat(chunks);
      for (let at = 0; at < bytes.length; ) {
        const size = FrameHeader.payload_size(bytes, at);
        this.sent.push({
          type: FrameHeader.type(bytes, at),
          sequence: FrameHeader.sequence_number(bytes, at),
          size,
          reserved: FrameHeader.reserved(bytes, at),
        });
        at += FrameHeader.size + size;
        assert.ok(at <= bytes.length, "frames are whole");
      }
    });
  }

  /** The link takes what it has; false if it has nothing. */
  take(): boolean {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
    return taken !== undefined;
  }

  /** Everything leaves. */
  drain(): void {
    while (this.take());
  }
}

function message(type: number, sequence: number, size: number, left?: () => void): Outgoing {
  const outgoing = new Outgoing(left);
  outgoing.renew(type, sequence, new Uint8Array(HEAD + size), size);
  return outgoing;
}

const BULK = 1;
const KEY = 2;
const ISO = 3;

test("a keyboard's frame passes a flood of another device, whatever waits", () => {
  const wire = new Wire();
  const disk = new DeviceLanes(64 * MIB);
  const keyboard = new DeviceLanes(MIB);
  for (let i = 1; i <= 64; i++) wire.outbox.add(message(BULK, i, MIB), disk.lanes[Priority.bulk]);
  wire.outbox.send();
  const withTheLink = wire.sent.reduce((sum, { size }) => sum + size, 0);
  assert.ok(withTheLink <= 5 * MAX_PAYLOAD, `${withTheLink} bytes are with the link already`);
  for (let key = 1; key <= 20; key++) {
    const before = wire.sent.length;
    wire.outbox.add(message(KEY, key, 30), keyboard.lanes[Priority.urgent]);
    wire.take();
    assert.deepEqual(
      wire.sent.slice(before, before + 1).map(({ type, sequence }) => [type, sequence]),
      [[KEY, key]],
      "it is the first of the next batch",
    );
  }
});

test("the keyboard of one device passes the flood of the same device, also without credit", () => {
  const wire = new Wire();
  const both = new DeviceLanes(64 << 10);
  wire.outbox.add(message(BULK, 1, MIB), both.lanes[Priority.bulk]);
  wire.outbox.send();
  wire.drain();
  const before = wire.sent.length;
  wire.outbox.add(message(KEY, 2, 30), both.lanes[Priority.urgent]);
  wire.outbox.send();
  assert.deepEqual(
    wire.sent.slice(before).map(({ type }) => type),
    [KEY],
  );
});

test("frames never go beyond the credit, and go on when it is given", () => {
  const wire = new Wire();
  const device = new DeviceLanes(100_000);
  wire.outbox.add(message(BULK, 1, 300_000), device.lanes[Priority.bulk]);
  let granted = 100_000;
  const bytes = () => wire.sent.reduce((sum, { size }) => sum + size, 0);
  wire.outbox.send();
  wire.drain();
  while (bytes() < 300_000) {
    assert.ok(bytes() <= granted, `${bytes()} of ${granted}`);
    assert.ok(granted - bytes() < 16 << 10, "it does not hold back more than it must");
    wire.outbox.grant(device, 50_000);
    granted += 50_000;
    wire.outbox.send();
    wire.drain();
  }
  assert.equal(bytes(), 300_000);
  assert.equal(wire.sent.at(-1)!.reserved, 0);
  assert.ok(wire.sent.slice(0, -1).every(({ reserved }) => reserved === 1));
});

test("nobody starves: each priority has its turn, and each device of it", () => {
  const wire = new Wire();
  const devices = Array.from({ length: 4 }, () => new DeviceLanes(512 * MIB));
  for (const [index, { lanes }] of devices.entries()) {
    for (let i = 0; i < 2_000; i++) wire.outbox.add(message(KEY, index, 40), lanes[Priority.urgent]);
    for (let i = 0; i < 200; i++) wire.outbox.add(message(ISO, index, 3_000), lanes[Priority.isochronous]);
    wire.outbox.add(message(BULK, index, 4 * MIB), lanes[Priority.bulk]);
  }
  wire.outbox.send();
  while (wire.sent.length < 1_500) wire.take();
  for (const type of [KEY, ISO, BULK]) {
    const places = wire.sent.flatMap((frame, at) => (frame.type === type ? [at] : []));
    const gaps = places.slice(1).map((at, i) => at - places[i]!);
    assert.ok(Math.max(...gaps) <= PASSED_MAX + 3, `${Math.max(...gaps)} frames between two of type ${type}`);
    const counts = devices.map(
      (_, index) => wire.sent.filter((frame) => frame.type === type && frame.sequence === index).length,
    );
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts.join(", ")} frames of type ${type}`);
  }
});

test("a message that was not begun is withdrawn without a trace", () => {
  const wire = new Wire();
  const { lanes } = new DeviceLanes(MIB);
  const freed: string[] = [];
  const first = message(BULK, 1, 10, () => freed.push("first"));
  wire.outbox.add(first, lanes[Priority.bulk]);
  assert.ok(wire.outbox.withdraw(first, lanes[Priority.bulk]));
  assert.deepEqual(freed, ["first"]);
  wire.outbox.send();
  assert.deepEqual(wire.sent, []);
});

test("a message that was begun ends with an abandoned frame, and is free when that has left", () => {
  const wire = new Wire();
  const device = new DeviceLanes(100_000);
  const { lanes } = device;
  const freed: string[] = [];
  const first = message(BULK, 1, MIB, () => freed.push("first"));
  wire.outbox.add(first, lanes[Priority.bulk]);
  wire.outbox.add(message(BULK, 2, 10), lanes[Priority.bulk]);
  wire.outbox.send();
  wire.drain();
  assert.ok(wire.outbox.withdraw(first, lanes[Priority.bulk]));
  assert.deepEqual(freed, []);
  wire.outbox.grant(device, 100_000);
  wire.outbox.send();
  wire.drain();
  assert.deepEqual(freed, ["first"]);
  assert.deepEqual(
    wire.sent.slice(-2).map(({ sequence, size, reserved }) => [sequence, size, reserved]),
    [
      [1, 0, 2],
      [2, 10, 0],
    ],
  );
});

test("a message that has left is not withdrawn", () => {
  const wire = new Wire();
  const { lanes } = new DeviceLanes(MIB);
  const first = message(BULK, 1, 10);
  wire.outbox.add(first, lanes[Priority.bulk]);
  wire.outbox.send();
  assert.ok(!wire.outbox.withdraw(first, lanes[Priority.bulk]));
});

test("a device that is cleared leaves nothing behind, and others go on", () => {
  const wire = new Wire();
  const cleared = new DeviceLanes(100_000);
  const other = new DeviceLanes(MIB);
  let freed = 0;
  for (const lane of cleared.lanes) {
    for (let i = 0; i < 20; i++)
      wire.outbox.add(
        message(BULK, i, 30_000, () => freed++),
        lane,
      );
  }
  wire.outbox.send();
  wire.outbox.clear(cleared);
  wire.outbox.add(message(KEY, 99, 10), other.lanes[Priority.urgent]);
  wire.drain();
  assert.equal(freed, 60);
  assert.equal(wire.sent.at(-1)!.sequence, 99);
  assert.equal(
    wire.sent.filter(({ reserved }) => reserved === 1).length,
    wire.sent.filter(({ reserved }) => reserved === 2).length,
  );
});
