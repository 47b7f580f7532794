import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType } from "../usb/urb.ts";
import type { Bus } from "./bus.ts";
import { CompletionCode, completionCodeOf } from "./completion-code.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Transfer } from "./transfer.ts";
import { ALL_COPIED, scatter } from "./transfer-data.ts";
import { post, reportTd } from "./transfer-events.ts";

const { SUCCESS, DATA_BUFFER, STOPPED, TRANSACTION } = CompletionCode;

/** Gives the guest the data and the events of a transfer that has ended. The code tells whether the endpoint goes on. */
export function reportEnded(transfer: Transfer, endpoint: Endpoint, bus: Bus): number {
  const { refusal, refusedAt, urb } = transfer;
  if (refusal !== 0) {
    post(transfer, refusedAt, refusal, transfer.dataLength(refusedAt), endpoint);
    return refusal;
  }
  if (!transfer.hasUrb) {
    reportTd(transfer, 0, transfer.count, 0, SUCCESS, false, endpoint);
    return SUCCESS;
  }
  if (urb.type === TransferType.isochronous) {
    for (let td = 0; td < transfer.tds.length; td++) reportPacket(transfer, td, endpoint, bus);
    return SUCCESS;
  }
  return reportMoved(transfer, completionCodeOf(urb.status), endpoint, bus);
}

/** Likewise for one that was cancelled, as far as it came. Returns the TRB at which the ring goes on. */
export function reportStopped(transfer: Transfer, endpoint: Endpoint, bus: Bus): number {
  const { urb, tds } = transfer;
  if (!transfer.hasUrb || transfer.refusal !== 0) return 0;
  if (urb.type !== TransferType.isochronous) {
    if (urb.status === TransferStatus.cancelled) reportMoved(transfer, STOPPED, endpoint, bus);
    return 0;
  }
  for (let td = 0; td < tds.length; td++) {
    if (urb.packets[td * PACKET_WORDS + PacketWord.status] === TransferStatus.notDone) return tds[td]!;
    reportPacket(transfer, td, endpoint, bus);
  }
  return transfer.count;
}

/** Bytes of a TD that have moved by now. */
export function movedBytes({ urb, resumed, bytes }: Transfer): number {
  return Math.min(resumed + Math.min(Math.max(urb.actualLength, 0), urb.length), bytes);
}

function reportMoved(transfer: Transfer, code: number, endpoint: Endpoint, bus: Bus): number {
  const { urb, count, resumed } = transfer;
  const moved = movedBytes(transfer);
  const incoming = isIn(urb.endpoint);
  if (incoming) {
    const faulty = scatter(transfer, bus, 0, count, urb.buffer, urb.offset, resumed, moved);
    if (faulty !== ALL_COPIED) {
      post(transfer, faulty, DATA_BUFFER, transfer.dataLength(faulty), endpoint);
      return DATA_BUFFER;
    }
  }
  reportTd(transfer, 0, count, moved, code, incoming, endpoint);
  return code;
}

function reportPacket(transfer: Transfer, td: number, endpoint: Endpoint, bus: Bus): void {
  const { urb } = transfer;
  const word = td * PACKET_WORDS;
  const status = urb.packets[word + PacketWord.status] as TransferStatus;
  const offset = urb.packets[word + PacketWord.offset]!;
  const length = urb.packets[word + PacketWord.length]!;
  const moved = Math.min(Math.max(urb.packets[word + PacketWord.actualLength]!, 0), length);
  const incoming = isIn(urb.endpoint);
  const first = transfer.tds[td]!;
  const end = transfer.tdEnd(td);
  let code = completionCodeOf(status);
  if (status === TransferStatus.notDone && urb.status !== TransferStatus.ok) code = TRANSACTION;
  if ((transfer.faultyTds & (1 << td)) !== 0) code = DATA_BUFFER;
  if (incoming && scatter(transfer, bus, first, end, urb.buffer, offset, 0, moved) !== ALL_COPIED) {
    code = DATA_BUFFER;
  }
  reportTd(transfer, first, end, moved, code, incoming, endpoint);
}
