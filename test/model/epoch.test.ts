import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOCH_RULES, type EpochRules, epochModel } from "./epoch-model.ts";
import { explore } from "./explore.ts";

test("whoever dies, and whenever, both find together again, and none takes the words of another session", (t) => {
  for (const [hostDeaths, guestDeaths] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const { states, failure } = explore(epochModel(EPOCH_RULES, hostDeaths, guestDeaths));
    assert.equal(failure, undefined, failure && [failure.why, ...failure.steps].join("\n"));
    t.diagnostic(`${states} states`);
  }
});

for (const rule of Object.keys(EPOCH_RULES) as (keyof EpochRules)[]) {
  test(`without ${rule} the hand-shake breaks`, (t) => {
    const { failure } = explore(epochModel({ ...EPOCH_RULES, [rule]: false }, 1, 2));
    assert(failure !== undefined, "nothing was found");
    t.diagnostic([failure.why, ...failure.steps].join("; "));
  });
}
