import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { readString } from "./string-reading.ts";
import { TransferStatus } from "./urb.ts";

/** Reads string 3 of a device that answers so, request by request; nothing is a stall. */
function read(...answers: readonly (Uint8Array | undefined)[]): {
  text: string | undefined;
  setups: string[];
} {
  const setups: string[] = [];
  const result = { text: "unanswered" as string | undefined, setups };
  const left = [...answers];
  readString(
    (setup, length, done) => {
      assert.equal(length, 255);
      setups.push(toHex(setup));
      const answer = left.shift();
      if (answer === undefined) done(TransferStatus.stall, new Uint8Array(0));
      else done(TransferStatus.ok, answer);
    },
    3,
    (text) => {
      result.text = text;
    },
  );
  return result;
}

const GERMAN = annotatedHex("06 03 0704 0904  German, then English");
const TEXT = annotatedHex("0a 03 4100 e400 3dd8 00de  A, a umlaut, a surrogate pair");

test("a string is asked for in the first language of the device", () => {
  const { text, setups } = read(GERMAN, TEXT);
  assert.equal(text, "A\u00e4\u{1f600}");
  assert.deepEqual(
    setups,
    ["80060003 0000ff00", "80060303 0704ff00"].map((hex) => hex.replace(" ", "")),
  );
});

test("a device that tells no language is asked in English", () => {
  for (const languages of [undefined, annotatedHex("02 03"), annotatedHex("04 01 0704")]) {
    const { text, setups } = read(languages, TEXT);
    assert.equal(text, "A\u00e4\u{1f600}");
    assert.equal(setups[1], "800603030904ff00");
  }
});

test("what is no string is none, and a wrong length invents nothing", () => {
  assert.equal(read(GERMAN, undefined).text, undefined);
  for (let length = 0; length < 2; length++) {
    assert.equal(read(GERMAN, TEXT.subarray(0, length)).text, undefined);
  }
  assert.equal(read(GERMAN, annotatedHex("06 02 4100 4200")).text, undefined);
  assert.equal(read(GERMAN, annotatedHex("02 03")).text, "");
  assert.equal(read(GERMAN, annotatedHex("00 03 4100")).text, "");
  assert.equal(read(GERMAN, annotatedHex("ff 03 4100 42")).text, "A");
  assert.equal(read(GERMAN, annotatedHex("04 03 4100 4200")).text, "A");
});
