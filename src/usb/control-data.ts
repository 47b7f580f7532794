import { Setup } from "./setup.ts";
import { TransferStatus, type Urb } from "./urb.ts";

/** Answers an IN control transfer, cut to what the host asked for and has room for. */
export function answerIn(urb: Urb, bytes: Uint8Array): TransferStatus {
  const length = Math.min(bytes.length, Setup.wLength(urb.setup, 0), urb.length);
  urb.buffer.set(length === bytes.length ? bytes : bytes.subarray(0, length), urb.offset);
  urb.actualLength = length;
  return TransferStatus.ok;
}

/** Takes the data stage of an OUT control transfer. A view: it is the host's again after `complete`. */
export function takeOut(urb: Urb): Uint8Array {
  urb.actualLength = Math.min(Setup.wLength(urb.setup, 0), urb.length);
  return urb.buffer.subarray(urb.offset, urb.offset + urb.actualLength);
}
