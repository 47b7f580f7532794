import { TransferStatus } from "../usb/urb.ts";
import type { TracedUrb } from "../usb/urb-trace.ts";

const STATUS_NAMES = new Map<number, string>(
  Object.entries(TransferStatus).map(([name, status]) => [status, name]),
);

/**
 * The lives of URBs in the trace event format of Chromium, for chrome://tracing and Perfetto: one row a session, one
 * span a URB, and in it how long the device and how long the link had it. URBs overlap, so the spans are
 * asynchronous ones.
 */
export function chromeTrace(urbs: readonly TracedUrb[]): string {
  const lines = urbs.flatMap((urb) => {
    const { session, seqnum, endpoint, status, actualLength, arrivedMs, completedMs, leftMs } = urb;
    const direction = endpoint >= 0x80 ? "IN" : "OUT";
    const name = `${direction} 0x${endpoint.toString(16).padStart(2, "0")}`;
    const args = { seqnum, status: STATUS_NAMES.get(status) ?? status, bytes: actualLength };
    const event = (ph: "b" | "e", title: string, ms: number, details = {}) =>
      JSON.stringify({
        name: title,
        cat: "urb",
        ph,
        id: `${session}.${seqnum}`,
        pid: session,
        tid: 0,
        ts: Math.round(ms * 1e6) / 1e3,
        ...details,
      });
    return [
      event("b", name, arrivedMs, { args }),
      event("b", "device", arrivedMs),
      event("e", "device", completedMs),
      event("b", "link", completedMs),
      event("e", "link", leftMs),
      event("e", name, leftMs),
    ];
  });
  return `{"displayTimeUnit":"ns","traceEvents":[\n${lines.join(",\n")}\n]}\n`;
}
