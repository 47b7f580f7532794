import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../../test/support/vfio-user-client.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { MessageReader } from "./message-reader.ts";

/** Numbers that nobody has open. */
const FDS = [9_001, 9_002];

function put(reader: MessageReader, bytes: Uint8Array, fds: readonly number[] = []): void {
  reader.buffer.set(bytes, reader.end);
  assert.equal(reader.arrived(bytes.length, fds), undefined);
}

/** Command and descriptors of every message that is whole. */
function whole(reader: MessageReader): (readonly [number, number[] | undefined])[] {
  const found: (readonly [number, number[] | undefined])[] = [];
  for (;;) {
    const size = reader.next();
    assert(typeof size === "number");
    if (size === 0) break;
    found.push([reader.buffer[reader.at + 2]!, reader.takeDescriptors()]);
    reader.consume(size);
  }
  reader.compact();
  return found;
}

const first = messageOf(1, 21, new Uint8Array(8));
const second = messageOf(2, 22, new Uint8Array(16));
const both = Uint8Array.from([...first, ...second]);

test("descriptors belong to the last message of the bytes that they came with, whole or not", () => {
  for (let cut = first.length + 1; cut <= both.length; cut++) {
    const reader = new MessageReader();
    put(reader, both.subarray(0, cut), FDS);
    const found = whole(reader);
    put(reader, both.subarray(cut));
    assert.deepEqual(
      [...found, ...whole(reader)],
      [
        [21, undefined],
        [22, FDS],
      ],
    );
  }
});

test("descriptors of a message whose first bytes came before them are its own", () => {
  for (let cut = 1; cut < first.length; cut++) {
    const reader = new MessageReader();
    put(reader, first.subarray(0, cut));
    put(reader, first.subarray(cut), FDS);
    assert.deepEqual(whole(reader), [[21, FDS]]);
  }
});

test("two messages keep their descriptors apart, also when the first one was cut", () => {
  for (let cut = 1; cut < first.length; cut++) {
    const reader = new MessageReader();
    put(reader, first.subarray(0, cut), [FDS[0]!]);
    assert.deepEqual(whole(reader), []);
    put(reader, both.subarray(cut), [FDS[1]!]);
    assert.deepEqual(whole(reader), [
      [21, [FDS[0]]],
      [22, [FDS[1]]],
    ]);
  }
});

test("a message that can never be whole is BAD_LENGTH, and there is room for any other", () => {
  const reader = new MessageReader();
  put(reader, messageOf(0, 1, new Uint8Array(0)).fill(8, 4, 5));
  const wrong = reader.next();
  assert(wrong instanceof ProtocolError);
  assert.equal(wrong.code, "BAD_LENGTH");
});
