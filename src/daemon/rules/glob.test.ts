import assert from "node:assert/strict";
import { test } from "node:test";
import { globMatches } from "./glob.ts";

const cases: readonly (readonly [pattern: string, matching: readonly string[], other: readonly string[]])[] =
  [
    ["", [""], ["a"]],
    ["ab", ["ab"], ["a", "abc", "AB", ""]],
    ["a?", ["ab"], ["a", "abc"]],
    ["*", ["", "abc"], []],
    ["a*", ["a", "abc"], ["", "ba"]],
    ["*c", ["c", "abc", "cc"], ["", "cb"]],
    ["a*c*e", ["ace", "abcde", "acce"], ["ac", "aec"]],
    ["*ab", ["aab", "abab"], ["aba"]],
    ["a.c", ["a.c"], ["abc"]],
  ];

for (const [pattern, matching, other] of cases) {
  test(`the pattern "${pattern}"`, () => {
    for (const text of matching) assert(globMatches(pattern, text), text);
    for (const text of other) assert(!globMatches(pattern, text), text);
  });
}

test("a pattern of many stars is decided at once", () => {
  assert.equal(globMatches(`${"*a".repeat(500)}b`, "a".repeat(1_000)), false);
});
