import type { Bus } from "./bus.ts";
import type { Transfer } from "./transfer.ts";
import { TrbBit } from "./trb.ts";

/** All bytes were copied; else the TRB whose memory is not there. */
export const ALL_COPIED = -1;

/** Gathers the data of TRBs at `at` of the transfer's memory: the one copy of OUT data. */
export function gather(transfer: Transfer, bus: Bus, first: number, end: number, at: number): number {
  let to = at;
  for (let trb = first; trb < end; trb++) {
    const length = transfer.dataLength(trb);
    if (length === 0) continue;
    if ((transfer.control(trb) & TrbBit.IDT) !== 0) immediate(transfer, trb, length, to);
    else if (!bus.copyIn(transfer.pointer(trb), length, transfer.buffer, to)) return trb;
    to += length;
  }
  return ALL_COPIED;
}

/** Data that stand in the TRB itself (xHCI §4.11.7). */
function immediate(transfer: Transfer, trb: number, length: number, to: number): void {
  for (let i = 0; i < length; i++) {
    transfer.buffer[to + i] = transfer.words[4 * trb + (i >> 2)]! >>> (8 * (i & 3));
  }
}

/**
 * Scatters IN data, of which `source` has from `at` on the bytes between `from` and `to`, counted from the first of these
 * TRBs: the one copy of IN data.
 */
export function scatter(
  transfer: Transfer,
  bus: Bus,
  first: number,
  end: number,
  source: Uint8Array,
  at: number,
  from: number,
  to: number,
): number {
  let begin = 0;
  for (let trb = first; trb < end && begin < to; trb++) {
    const length = transfer.dataLength(trb);
    const start = Math.max(begin, from);
    const size = Math.min(begin + length, to) - start;
    if (size > 0) {
      const address = transfer.pointer(trb) + (start - begin);
      if (!bus.copyOut(source, at + start - from, size, address)) return trb;
    }
    begin += length;
  }
  return ALL_COPIED;
}
