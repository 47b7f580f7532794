import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyHistogram } from "./latency-histogram.ts";

function filled(...tookUs: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const us of tookUs) histogram.add(us / 1_000);
  return histogram;
}

test("without anything that took time every figure is 0", () => {
  assert.deepEqual(filled().percentiles, { p50Us: 0, p99Us: 0, p999Us: 0 });
});

test("what took no time at all took less than a sixteenth of a microsecond", () => {
  assert.deepEqual(filled(0).percentiles, { p50Us: 1 / 16, p99Us: 1 / 16, p999Us: 1 / 16 });
});

test("a half, a hundredth and a thousandth are told apart", () => {
  const histogram = new LatencyHistogram();
  for (let i = 0; i < 100_000; i++) histogram.add(i < 98_950 ? 0.001 : i < 99_850 ? 0.1 : 10);
  const { p50Us, p99Us, p999Us } = histogram.percentiles;
  assert.deepEqual([p50Us, p99Us, p999Us], [1.0625, 104, 10_240]);
});

test("a figure is never below what it tells of, and at most a sixteenth above", () => {
  for (let us = 1; us < 1e8; us *= 1.37) {
    const { p50Us } = filled(us).percentiles;
    assert(p50Us > us && p50Us <= us * (1 + 1 / 16) + 1 / 16, `${us} became ${p50Us}`);
  }
});

test("what no clock can mean is counted at the ends", () => {
  for (const us of [-1, Number.NaN]) assert.equal(filled(us).percentiles.p50Us, 1 / 16, String(us));
  for (const us of [1e12, Number.POSITIVE_INFINITY]) {
    assert.equal(filled(us).percentiles.p50Us, 2 ** 27, String(us));
  }
});
