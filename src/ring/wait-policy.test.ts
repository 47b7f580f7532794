import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitPolicy, type WaitStep } from "./wait-policy.ts";

/** Runs a policy that finds nothing, on a clock that each `yield` moves on by 10 us, until it blocks. */
function idleSteps(policy: WaitPolicy): { steps: WaitStep[]; clock: { ms: number } } {
  const clock = { ms: 0 };
  const steps: WaitStep[] = [];
  while (steps.at(-1) !== "block") {
    const step = policy.next(false, () => clock.ms);
    if (step === "yield") clock.ms += 0.01;
    steps.push(step);
    assert(steps.length < 10_000);
  }
  return { steps, clock };
}

test("it looks 256 times between two yields, announces when the budget is used up, then blocks", () => {
  const { steps, clock } = idleSteps(new WaitPolicy(0.05));
  assert.deepEqual(steps.slice(-2), ["announce", "block"]);
  const yields = steps.flatMap((step, i) => (step === "yield" ? [i] : []));
  assert.deepEqual(
    yields.slice(1).map((at, i) => at - yields[i]!),
    yields.slice(1).map(() => 1 + 256),
  );
  assert(Math.abs(clock.ms - 0.05) < 1e-9, "it yields for as long as the budget");
});

test("without a budget it announces at once", () => {
  assert.deepEqual(idleSteps(new WaitPolicy(0)).steps, ["announce", "block"]);
});

test("work starts the budget anew, also when it is found after the announcement", () => {
  const policy = new WaitPolicy(1);
  let late = 10;
  const later = () => late++;
  while (policy.next(false, later) !== "yield");
  assert.equal(policy.next(true, later), "poll");
  while (policy.next(false, later) !== "announce");
  assert.equal(policy.next(true, later), "poll");
  assert.equal(policy.next(false, later), "poll");
});

test("after a block it looks again, whatever woke it up", () => {
  const policy = new WaitPolicy(0);
  idleSteps(policy);
  assert.equal(
    policy.next(false, () => 0),
    "poll",
  );
});

/** Looks until it gives the processor away. */
function patienceOf(policy: WaitPolicy): number {
  let looks = 0;
  do looks++;
  while (policy.next(false, () => 0) === "poll");
  return looks;
}

test("where answers come with the processor, it is given away after 4 looks; one that comes earlier ends that", () => {
  const policy = new WaitPolicy(1);
  const seen: number[] = [];
  for (let i = 0; i < 8; i++) {
    seen.push(patienceOf(policy));
    assert.equal(
      policy.next(false, () => 0),
      "poll",
      "behind the yield",
    );
    assert.equal(
      policy.next(true, () => 0),
      "poll",
      "it has found something",
    );
  }
  assert.deepEqual(seen, [256, 128, 64, 32, 16, 8, 4, 4]);
  patienceOf(policy);
  for (let i = 0; i < 3; i++) policy.next(false, () => 0);
  policy.next(true, () => 0);
  assert.equal(patienceOf(policy), 256);
});

test("work that takes several looks does not end that", () => {
  const policy = new WaitPolicy(1);
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) {
    seen.push(patienceOf(policy));
    policy.next(false, () => 0);
    for (let looks = 0; looks < 3; looks++) policy.next(true, () => 0);
  }
  assert.deepEqual(seen, [256, 128, 64, 32, 16]);
});

test("the clock is not asked between two yields", () => {
  const policy = new WaitPolicy(1);
  let asked = 0;
  for (let i = 0; i < 255; i++) {
    policy.next(false, () => {
      asked++;
      return 0;
    });
  }
  assert.equal(asked, 0);
});
