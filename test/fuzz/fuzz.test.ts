import assert from "node:assert/strict";
import { test } from "node:test";
import { campaign, VALUES_SHARE_MIN } from "./campaign.ts";
import { Random } from "./random.ts";
import { requireSame, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const seed = Date.now() >>> 0;

/** What the long run does with a million inputs, in a few seconds; sessions are the dear ones. */
const INPUTS = 3000;
const INPUTS_OF_SLOW: ReadonlyMap<string, number> = new Map([
  ["UsbipServer", 1500],
  ["DeviceListRequest", 500],
  ["DeviceEventsRequest", 1000],
  ["control requests of gadgets", 1000],
  ["Pairing", 1000],
  ["WslusbHost", 1500],
  ["WslusbClient", 1500],
  ["RingHost", 1000],
  ["RingGuest", 1000],
  ["VfioUserSession", 1000],
  ["XhciController", 300],
]);
/** Of the recorded sessions not every length; the long run tries all. */
const TRUNCATE_EVERY_OF_SLOW: ReadonlyMap<string, number> = new Map([
  ["UsbipServer", 13],
  ["WslusbHost", 7],
  ["WslusbClient", 7],
  ["RingHost", 7],
  ["RingGuest", 7],
  ["XhciController", 1201],
]);

for (const target of TARGETS) {
  test(`${target.name}: any bytes give a value or an error (seed ${seed})`, () => {
    const { mutants, values } = campaign(target, {
      seed,
      inputs: INPUTS_OF_SLOW.get(target.name) ?? INPUTS,
      truncateEvery: TRUNCATE_EVERY_OF_SLOW.get(target.name) ?? 1,
    });
    assert.ok(values / mutants >= VALUES_SHARE_MIN, `${values} of ${mutants} mutants are valid`);
  });
}

/** Wrong for one byte in one place. */
const WRONG: Target = {
  name: "wrong",
  corpus: [],
  mutant: (random) => Uint8Array.of(random.below(256)),
  judge: (bytes) => {
    requireSame(bytes[0] !== 7, true, "anything but 7");
    return "value";
  },
};

test("a finding names the seed and the mutant that show it again", () => {
  assert.throws(() => campaign(WRONG, { seed: 1, inputs: 10_000 }), {
    name: "Finding",
    message: /Again: node dist\/test\/fuzz\/main\.js --target "wrong" --seed 1 --mutant \d+\nInput: 07$/,
  });
});

function mutantsOf(some: number): string[] {
  return TARGETS.map((target) => Buffer.from(target.mutant(new Random(some, 4))).toString("hex"));
}

test("a seed gives the same mutants again, another seed gives others", () => {
  assert.deepEqual(mutantsOf(5), mutantsOf(5));
  assert.notDeepEqual(mutantsOf(5), mutantsOf(6));
});
