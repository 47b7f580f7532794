import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongUsage } from "../failure.ts";
import { commandWords } from "./command-words.ts";

const read: readonly (readonly [text: string, words: readonly string[]])[] = [
  ["flash", ["flash"]],
  ["  /usr/bin/flash\t--port  /dev/ttyACM0 ", ["/usr/bin/flash", "--port", "/dev/ttyACM0"]],
  [`sh -c 'echo "$USBFERRY_PORT" >> /tmp/x'`, ["sh", "-c", 'echo "$USBFERRY_PORT" >> /tmp/x']],
  [`a "b c" "" d""e`, ["a", "b c", "", "de"]],
  [String.raw`a\ b "c\"d\\e\f" 'g\h'`, ["a b", String.raw`c"d\e\f`, String.raw`g\h`]],
  [String.raw`a b\\ c`, ["a", "b\\", "c"]],
  [`a $HOME * | b > c`, ["a", "$HOME", "*", "|", "b", ">", "c"]],
  ["a\\", ["a\\"]],
];

for (const [text, words] of read) {
  test(`${text}: is ${words.length} words`, () => assert.deepEqual(commandWords(text), words));
}

for (const [text, why] of [
  ["", /names no program/],
  ["  ", /names no program/],
  ["'' a", /names no program/],
  ["sh -c 'echo", /the quote ' is not closed/],
  ['sh -c "echo', /the quote " is not closed/],
  [`a ${"b ".repeat(64)}`, /more than 64 words/],
  ["a \0", /NUL/],
] as const) {
  test(`${JSON.stringify(text).slice(0, 30)}: is no command`, () => {
    assert.throws(
      () => commandWords(text),
      (error) => error instanceof WrongUsage && why.test(error.message),
    );
  });
}
