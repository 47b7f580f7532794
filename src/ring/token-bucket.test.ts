import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "./token-bucket.ts";

function taken(bucket: TokenBucket, nowMs: number): number {
  let count = 0;
  while (count < 10_000 && bucket.take(nowMs)) count++;
  return count;
}

test("a burst passes, then as many as the time gives", () => {
  const bucket = new TokenBucket({ perSecond: 1000, burst: 50 }, 0);
  assert.equal(taken(bucket, 0), 50);
  assert.equal(taken(bucket, 10), 10);
  assert.equal(taken(bucket, 10.5), 0);
  assert.equal(taken(bucket, 11), 1, "halves are not lost");
  assert.equal(taken(bucket, 60_000), 50, "no more than a burst is saved up");
});

test("a clock that goes backwards gives nothing and takes nothing", () => {
  const bucket = new TokenBucket({ perSecond: 1000, burst: 5 }, 100);
  assert.equal(taken(bucket, 50), 5);
  assert.equal(taken(bucket, 100), 0);
  assert.equal(taken(bucket, 103), 3);
});
