import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../test/support/annotated-hex.ts";
import { encodeAliveAnswer, encodeAliveQuestion, hasAliveMark } from "./alive-mark.ts";

const question = annotatedHex(`
  00000002                             CMD_UNLINK
  01020304                             seqnum
  11121314                             devid
  00000000                             direction
  00000000                             ep
  00000000                             unlink_seqnum
  75736266657272792 0616c697665 2031   "usbferry alive 1"
  0000000000000000                     padding
`);
const answer = annotatedHex(`
  00000004                             RET_UNLINK
  01020304                             seqnum
  00000000                             devid
  00000000                             direction
  00000000                             ep
  00000000                             status
  75736266657272792 0616c697665 2031   "usbferry alive 1"
  0000000000000000                     padding
`);

test("the question is a CMD_UNLINK for nothing with a mark", () => {
  assert.deepEqual(encodeAliveQuestion(0x01020304, 0x11121314), question);
});

test("the answer is a RET_UNLINK with the mark", () => {
  assert.deepEqual(encodeAliveAnswer(0x01020304), answer);
});

test("a message is marked if every letter is there, wherever it stands", () => {
  const bytes = new Uint8Array(7 + question.length);
  bytes.set(question, 7);
  assert.equal(hasAliveMark(bytes, 7), true);
  assert.equal(hasAliveMark(new DataView(bytes.buffer, 2), 5), true);
  for (let letter = 24; letter < 40; letter++) {
    const changed = Uint8Array.from(question);
    changed[letter]!++;
    assert.equal(hasAliveMark(changed, 0), false, `byte ${letter}`);
  }
});
