import { CompletionCode } from "./completion-code.ts";
import type { Transfer } from "./transfer.ts";
import { EVENT_DATA_BIT, TrbBit, TrbType } from "./trb.ts";

const { SUCCESS, SHORT_PACKET } = CompletionCode;
const EDTLA_MASK = 0xffffff;

/** Where transfer events go. */
export interface TransferEventOutput {
  /** `control`: the fourth word without slot and endpoint. */
  postTransfer(
    target: number,
    low: number,
    high: number,
    status: number,
    control: number,
    isQuiet: boolean,
  ): void;
}

/**
 * Writes the events of a TD of which `moved` bytes have moved (xHCI §4.10.1). Success: those that its TRBs ask for, and for
 * IN data that ended early what the driver is to know of that. Any other code: an event on the TRB where it happened,
 * asked for or not.
 */
export function reportTd(
  transfer: Transfer,
  first: number,
  end: number,
  moved: number,
  code: number,
  isIn: boolean,
  output: TransferEventOutput,
): void {
  const failed = code !== SUCCESS;
  const failedAt = failed ? placeOf(transfer, first, end, moved) : -1;
  let left = moved;
  let edtla = 0;
  let isShort = false;
  let shortIsTold = false;
  let eventDataIsOver = false;
  for (let trb = first; trb < end; trb++) {
    const control = transfer.control(trb);
    const wanted = (control & TrbBit.IOC) !== 0;
    const type = transfer.type(trb);
    if (type === TrbType.EVENT_DATA) {
      // After a short packet only the first Event Data TRB is looked at: HCCPARAMS1.PAE is 0.
      if (wanted && !eventDataIsOver) {
        postEventData(transfer, trb, edtla, isShort ? SHORT_PACKET : SUCCESS, output);
        shortIsTold = isShort;
      }
      eventDataIsOver = isShort;
      edtla = 0;
      continue;
    }
    if (type === TrbType.STATUS) {
      isShort = false;
      shortIsTold = false;
      eventDataIsOver = false;
      edtla = 0;
    }
    const length = transfer.dataLength(trb);
    const chunk = Math.min(left, length);
    left -= chunk;
    edtla += chunk;
    const residue = length - chunk;
    if (trb === failedAt) {
      post(transfer, trb, code, residue, output);
      return;
    }
    if (isIn && (isShort || residue > 0)) {
      const asks = wanted || (!isShort && (control & TrbBit.ISP) !== 0);
      isShort = true;
      if (asks && !shortIsTold) post(transfer, trb, SHORT_PACKET, residue, output);
      shortIsTold ||= asks;
    } else if (wanted) {
      post(transfer, trb, SUCCESS, residue, output);
    }
  }
}

/** The TRB where a transfer ended early, or its last one. */
export function placeOf(transfer: Transfer, first: number, end: number, moved: number): number {
  let left = moved;
  let last = first;
  for (let trb = first; trb < end; trb++) {
    if (transfer.type(trb) === TrbType.EVENT_DATA) continue;
    last = trb;
    const length = transfer.dataLength(trb);
    if (left < length) return trb;
    left -= length;
  }
  return last;
}

export function post(
  transfer: Transfer,
  trb: number,
  code: number,
  residue: number,
  output: TransferEventOutput,
): void {
  const control = transfer.control(trb);
  const target = transfer.status(trb) >>> 22;
  const status = (code << 24) | residue;
  const isQuiet = (control & TrbBit.BEI) !== 0;
  output.postTransfer(target, transfer.low(trb), transfer.high(trb), status, 0, isQuiet);
}

function postEventData(
  transfer: Transfer,
  trb: number,
  edtla: number,
  code: number,
  output: TransferEventOutput,
): void {
  const low = transfer.words[4 * trb]!;
  const high = transfer.words[4 * trb + 1]!;
  const status = (code << 24) | (edtla & EDTLA_MASK);
  const isQuiet = (transfer.control(trb) & TrbBit.BEI) !== 0;
  output.postTransfer(transfer.status(trb) >>> 22, low, high, status, EVENT_DATA_BIT, isQuiet);
}
