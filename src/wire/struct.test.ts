import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { octets, s32, text, u8, u16, u32, u64 } from "./field.ts";
import { ProtocolError } from "./protocol-error.ts";
import { bigEndian, littleEndian } from "./struct.ts";

const FIELDS = { one: u8, two: u16, unsigned: u32, signed: s32, bytes: octets(3), name: text(4) };
const Big = bigEndian("big", FIELDS);
const Little = littleEndian("little", FIELDS);

const VALUE = {
  one: 0x01,
  two: 0x1112,
  unsigned: 0xf1222324,
  signed: -2,
  bytes: Uint8Array.of(0x41, 0x42, 0x43),
  name: "abc",
};

const BIG = annotatedHex(`
  01        one
  1112      two
  f1222324  unsigned
  fffffffe  signed
  414243    bytes
  61626300  name
`);

const LITTLE = annotatedHex(`
  01        one
  1211      two
  242322f1  unsigned
  feffffff  signed
  414243    bytes
  61626300  name
`);

test("fields stand in the order and byte order of their struct", () => {
  assert.deepEqual(Big.encode(VALUE), BIG);
  assert.deepEqual(Little.encode(VALUE), LITTLE);
  assert.deepEqual(Big.decode(BIG), VALUE);
  assert.deepEqual(Little.decode(LITTLE), VALUE);
});

test("a field is read and written in place, without touching its neighbours", () => {
  const bytes = new Uint8Array(2 + Big.size + 2).fill(0xa5);
  bytes.set(BIG, 2);
  Big.put.two(bytes, 2, 0x3132);
  assert.equal(Big.two(bytes, 2), 0x3132);
  assert.equal(Big.one(bytes, 2), VALUE.one);
  assert.equal(Big.unsigned(bytes, 2), VALUE.unsigned);
  assert.deepEqual([bytes.at(0), bytes.at(1), bytes.at(-2), bytes.at(-1)], [0xa5, 0xa5, 0xa5, 0xa5]);
});

test("numbers are read and written through a view, as they are in bytes", () => {
  for (const [struct, wire] of [
    [Big, BIG],
    [Little, LITTLE],
  ] as const) {
    const bytes = new Uint8Array(3 + struct.size);
    bytes.set(wire, 3);
    const view = new DataView(bytes.buffer, 1);
    const numbers = ["one", "two", "unsigned", "signed"] as const;
    for (const name of numbers) assert.equal(struct.read[name](view, 2), VALUE[name]);
    const written = new Uint8Array(bytes.length);
    const target = new DataView(written.buffer, 1);
    for (const name of numbers) struct.write[name](target, 2, VALUE[name]);
    assert.deepEqual(written.subarray(0, 14), bytes.subarray(0, 14));
    assert.deepEqual(written.subarray(14), new Uint8Array(written.length - 14));
  }
});

test("64 bits are exact up to 2^53, and above it remain above", () => {
  const wide = { value: u64 };
  const [big, little] = [bigEndian("wide", wide), littleEndian("wide", wide)];
  for (const [hex, value] of [
    ["0001020304050607", 0x0001020304050607],
    ["00000000fffffffe", 0xfffffffe],
    ["001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ] as const) {
    const wire = annotatedHex(hex);
    assert.deepEqual(big.encode({ value }), wire);
    assert.equal(big.value(wire, 0), value);
    const turned = wire.toReversed();
    assert.deepEqual(little.encode({ value }), turned);
    assert.equal(little.value(turned, 0), value);
  }
  for (const hex of ["0020000000000000", "0020000000000001", "ffffffffffffffff"]) {
    assert(big.value(annotatedHex(hex), 0) >= 2 ** 53);
  }
});

test("text and octets overwrite all of their field", () => {
  const bytes = new Uint8Array(Big.size).fill(0xa5);
  Big.put.name(bytes, 0, "a");
  Big.put.bytes(bytes, 0, Uint8Array.of(7));
  assert.deepEqual(bytes.subarray(11), annotatedHex("070000 61000000"));
});

test("decoding behind the end is TRUNCATED and tells how much is there", () => {
  const error = Big.decode(BIG, 1);
  assert(error instanceof ProtocolError);
  assert.equal(error.toString(), "TRUNCATED: big has 17 of its 18 bytes");
});
