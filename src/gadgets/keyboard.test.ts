import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { Speed } from "../usb/speed.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { Keyboard, type KeyboardOptions } from "./keyboard.ts";
import { Modifier } from "./us-layout.ts";

function open(options: KeyboardOptions = {}) {
  const loop = new ManualLoop();
  const keyboard = new Keyboard(options);
  const completed: Urb[] = [];
  const attach = () => {
    keyboard.open({ complete: (urb) => completed.push(urb), unplugged: () => {} }, loop, () => {});
    ask("00 09 0100 0000 0000  SET_CONFIGURATION 1");
  };
  /** The answer in hex, or "stall". */
  const ask = (hex: string, data?: Uint8Array): string => {
    const urb = createUrb(0);
    urb.setup.set(annotatedHex(hex));
    urb.endpoint = urb.setup[0]! & 0x80;
    urb.buffer = data ?? new Uint8Array(urb.setup[6]!);
    urb.length = urb.buffer.length;
    keyboard.submit(urb);
    keyboard.flush();
    if (urb.status !== TransferStatus.ok) return urb.status === TransferStatus.stall ? "stall" : "failed";
    return toHex(urb.buffer.subarray(0, urb.actualLength));
  };
  const read = (length = 8): Urb => {
    const urb = createUrb(1);
    urb.endpoint = 0x81;
    urb.type = TransferType.interrupt;
    urb.buffer = new Uint8Array(length);
    urb.length = length;
    keyboard.submit(urb);
    keyboard.flush();
    return urb;
  };
  /** Reads until the keyboard has nothing to say. */
  const readAll = (): string[] => {
    const reports: string[] = [];
    for (;;) {
      const urb = read();
      loop.advance(INTERVAL_MS);
      if (urb.actualLength === 0) {
        keyboard.cancel(urb);
        keyboard.flush();
        return reports;
      }
      reports.push(toHex(urb.buffer));
    }
  };
  attach();
  return { ask, attach, completed, keyboard, loop, read, readAll };
}

const RELEASED = "0000000000000000";

/** bInterval at full speed. */
const INTERVAL_MS = 10;

const CONFIGURATION = (attributes: string, interval: string) => `
  09 02 ${attributes}
  09 04 00 00 01 03 01 01 00  interface 0: HID, boot, keyboard
  09 21 1101 00 01 22 3f00    HID 1.11, report descriptor of 63 bytes
  07 05 81 03 0800 ${interval}  interrupt IN, 8 bytes
`;

test("the descriptors at each speed", () => {
  const expected = new Map<Speed, string>([
    [
      Speed.low,
      `12 01 0002 00 00 00 08 0912 0100 0001 01 02 00 01  device
       ${CONFIGURATION("2200 01 01 00 a0 32", "0a")}`,
    ],
    [
      Speed.full,
      `12 01 0002 00 00 00 40 0912 0100 0001 01 02 00 01  device
       ${CONFIGURATION("2200 01 01 00 a0 32", "0a")}`,
    ],
    [
      Speed.high,
      `12 01 0002 00 00 00 40 0912 0100 0001 01 02 00 01  device
       ${CONFIGURATION("2200 01 01 00 a0 32", "07")}`,
    ],
    [
      Speed.super,
      `12 01 2003 00 00 00 09 0912 0100 0001 01 02 00 01  device
       ${CONFIGURATION("2800 01 01 00 a0 0c", "07")}
       06 30 00 00 0800  companion`,
    ],
  ]);
  for (const [speed, wire] of expected) {
    assert.equal(toHex(new Keyboard({ speed }).descriptors), toHex(annotatedHex(wire)));
  }
});

test("the HID descriptors are read from the interface", () => {
  const { ask } = open();
  assert.equal(ask("81 06 0021 0000 0900"), "092111010001223f00");
  assert.equal(
    ask("81 06 0022 0000 3f00"),
    toHex(
      annotatedHex(`
        0501 0906 a101               keyboard application
        0507 19e0 29e7 1500 2501     modifiers
        7501 9508 8102
        7508 9501 8101               reserved byte
        0508 1901 2905 7501 9505 9102  LEDs
        7503 9501 9101
        0507 1900 2965 1500 2565     keys
        7508 9506 8100
        c0                           end
      `),
    ),
  );
  assert.equal(ask("81 06 0023 0000 0900"), "stall");
  assert.equal(ask("81 06 0022 0100 3f00"), "stall", "no interface 1");
});

test("typing presses and releases, with shift where the layout wants it", () => {
  const { keyboard, readAll } = open();
  assert.equal(keyboard.type("aZ1!\n~ |"), undefined);
  assert.deepEqual(
    readAll().filter((report) => report !== RELEASED),
    [
      "0000040000000000",
      "02001d0000000000",
      "00001e0000000000",
      "02001e0000000000",
      "0000280000000000",
      "0200350000000000",
      "00002c0000000000",
      "0200310000000000",
    ],
  );
});

test("the same key twice is released in between", () => {
  const { keyboard, readAll } = open();
  keyboard.type("oo");
  assert.deepEqual(readAll(), ["0000120000000000", RELEASED, "0000120000000000", RELEASED]);
});

test("every printable ASCII character can be typed, each by its own key", () => {
  const { keyboard, readAll } = open();
  const text = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
  assert.equal(keyboard.type(text), undefined);
  assert.equal(new Set(readAll()).size, 96, "95 keys, and released");
});

test("a key is pressed with modifiers", () => {
  const { keyboard, readAll } = open();
  keyboard.press(0x4c, Modifier.leftControl | Modifier.leftAlt);
  assert.deepEqual(readAll(), ["05004c0000000000", RELEASED]);
});

test("an unknown character is named, and nothing is typed", () => {
  const { keyboard, readAll } = open();
  const refused = keyboard.type("abc\u20ac");
  assert.equal(refused?.reason, "unknown-character");
  assert.match(refused.message, /"\u20ac" \(U\+20ac\)/);
  assert.deepEqual(readAll(), []);
});

test("text beyond the queue is refused whole, and fits when the host has read", () => {
  const { keyboard, readAll } = open();
  assert.equal(keyboard.type("x".repeat(8193))?.reason, "queue-full");
  assert.equal(keyboard.type("x".repeat(8192)), undefined);
  assert.equal(keyboard.press(4)?.reason, "queue-full");
  assert.match(keyboard.type("y")!.message, /0 of 8192 are free/);
  assert.equal(readAll().length, 16_384);
  assert.equal(keyboard.type("y"), undefined);
});

test("a pending read completes when a key is pressed, by the loop", () => {
  const { completed, keyboard, loop, read } = open();
  const urb = read();
  loop.advance(10_000);
  assert.ok(!completed.includes(urb));
  keyboard.type("a");
  assert.ok(!completed.includes(urb), "not inside type");
  loop.settle();
  assert.ok(completed.includes(urb));
  assert.equal(toHex(urb.buffer), "0000040000000000");
});

test("a read with too little room sees babble", () => {
  const { keyboard, read } = open();
  keyboard.type("a");
  const urb = read(4);
  assert.equal(urb.status, TransferStatus.overflow);
  assert.equal(toHex(urb.buffer), "00000400");
});

test("LEDs are set by an output report", () => {
  const seen: number[] = [];
  const { ask } = open({ onLeds: (leds) => seen.push(leds) });
  assert.equal(ask("21 09 0002 0000 0100", Uint8Array.of(5)), "05");
  assert.deepEqual(seen, [5]);
  assert.equal(ask("a1 01 0002 0000 0100"), "05");
  assert.equal(ask("21 09 0001 0000 0800"), "stall", "an input report");
  assert.equal(ask("21 09 0002 0000 0200"), "stall", "two bytes");
  assert.equal(ask("21 09 0002 0100 0100"), "stall", "no interface 1");
});

test("GET_REPORT tells the report that the host has read last", () => {
  const { ask, keyboard, read } = open();
  keyboard.type("b");
  assert.equal(ask("a1 01 0001 0000 0800"), RELEASED);
  read();
  assert.equal(ask("a1 01 0001 0000 0800"), "0000050000000000");
  assert.equal(ask("a1 01 0003 0000 0800"), "stall", "a feature report");
});

test("the protocol is report until the host asks for boot", () => {
  const { ask } = open();
  assert.equal(ask("a1 03 0000 0000 0100"), "01");
  assert.equal(ask("21 0b 0000 0000 0000"), "");
  assert.equal(ask("a1 03 0000 0000 0100"), "00");
  assert.equal(ask("21 0b 0200 0000 0000"), "stall");
  ask("00 09 0100 0000 0000  SET_CONFIGURATION");
  assert.equal(ask("a1 03 0000 0000 0100"), "01");
});

test("an idle rate repeats the report, until it is 0 again", () => {
  const { ask, completed, loop, read } = open();
  assert.equal(ask("a1 02 0000 0000 0100"), "00");
  assert.equal(ask("21 0a 0019 0000 0000  SET_IDLE, 25 x 4 ms"), "");
  assert.equal(ask("a1 02 0000 0000 0100"), "19");
  for (let i = 0; i < 3; i++) {
    const urb = read();
    loop.advance(99);
    assert.ok(!completed.includes(urb));
    loop.advance(1);
    assert.ok(completed.includes(urb));
    assert.deepEqual([urb.actualLength, toHex(urb.buffer)], [8, RELEASED]);
  }
  assert.equal(ask("21 0a 0000 0000 0000"), "");
  const last = read();
  loop.advance(10_000);
  assert.ok(!completed.includes(last));
  assert.equal(loop.timers, 0);
});

test("text of the options is typed once, at the first read", () => {
  const { attach, keyboard, loop, readAll } = open({ text: "q" });
  assert.deepEqual(readAll(), ["0000140000000000", RELEASED]);
  keyboard.close(() => {});
  loop.settle();
  attach();
  assert.deepEqual(readAll(), []);
  assert.throws(() => new Keyboard({ text: "\u00e4" }), RangeError);
});

test("text typed before the attach waits; what a host has not read does not reach the next one", () => {
  const { attach, keyboard, loop, readAll, read } = open();
  keyboard.close(() => {});
  loop.settle();
  keyboard.type("ab");
  attach();
  assert.equal(toHex(read().buffer), "0000040000000000");
  keyboard.close(() => {});
  loop.settle();
  attach();
  assert.deepEqual(readAll(), []);
});

test("a host that reads at once gets one report an interval", () => {
  const { keyboard, loop, completed, read } = open();
  keyboard.type("a");
  completed.length = 0;
  read();
  read();
  assert.equal(completed.length, 1);
  loop.advance(INTERVAL_MS - 1);
  assert.equal(completed.length, 1);
  loop.advance(1);
  assert.equal(completed.length, 2);
});
