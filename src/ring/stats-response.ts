import type { TransferFigures } from "../usb/transfer-figures.ts";
import { StatsResponse } from "./messages.ts";
import type { RingStats } from "./ring-stats.ts";

/** The body of STATS_RESPONSE. */
export function encodeStats(
  device_id: number,
  stats: RingStats,
  figures: readonly TransferFigures[],
  percent: { readonly ring: number; readonly buffers: number },
): Uint8Array {
  const latency = latencies(figures);
  return StatsResponse.encode({
    device_id,
    reserved: 0,
    urbs_submitted: low(stats.submitted),
    urbs_submitted_high: high(stats.submitted),
    urbs_completed: low(stats.completed),
    urbs_completed_high: high(stats.completed),
    urbs_cancelled: low(stats.cancelled),
    urbs_cancelled_high: high(stats.cancelled),
    urbs_failed: low(stats.failed),
    urbs_failed_high: high(stats.failed),
    bytes_out: low(stats.bytesOut),
    bytes_out_high: high(stats.bytesOut),
    bytes_in: low(stats.bytesIn),
    bytes_in_high: high(stats.bytesIn),
    inline_submits: low(stats.inlineSubmits),
    inline_submits_high: high(stats.inlineSubmits),
    batch_submits: low(stats.batches),
    batch_submits_high: high(stats.batches),
    rate_limit_hits: low(stats.rateLimitHits),
    rate_limit_hits_high: high(stats.rateLimitHits),
    validation_failures: low(stats.validationFailures),
    validation_failures_high: high(stats.validationFailures),
    ring_full: low(stats.ringFull),
    ring_full_high: high(stats.ringFull),
    p50_us: percentile(latency, 0.5),
    p99_us: percentile(latency, 0.99),
    ring_percent: percent.ring,
    buffer_percent: percent.buffers,
    pad: new Uint8Array(8),
  });
}

/** URBs of all endpoints by how long they took, as `EndpointFigures.histogram`. */
function latencies(figures: readonly TransferFigures[]): readonly number[] {
  const sum: number[] = [];
  for (const { endpoints } of figures) {
    for (const { histogram } of endpoints) {
      for (const [bucket, count] of histogram.entries()) sum[bucket] = (sum[bucket] ?? 0) + count;
    }
  }
  return sum;
}

/** Microseconds that this part of all URBs did not exceed, rounded up to a power of two; 0 if there were none. */
function percentile(latency: readonly number[], part: number): number {
  const all = latency.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [bucket, count] of latency.entries()) {
    seen += count;
    if (seen >= part * all) return all === 0 ? 0 : 2 ** bucket;
  }
  return 0;
}

function low(count: number): number {
  return count % 2 ** 32;
}

function high(count: number): number {
  return Math.floor(count / 2 ** 32);
}
