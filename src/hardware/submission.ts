import { Setup } from "../usb/setup.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType, UrbFlag } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import {
  arePacketsAdjacent,
  bytesOfPackets,
  gatherPackets,
  leavePacketsOut,
  packetsOfPart,
  scatterPackets,
} from "./iso-parts.ts";
import type { Part, PartTable } from "./part-table.ts";
import { ACCEPTED, type Transfer } from "./transfer.ts";

/** The system has no room now; it will have when something has ended. */
export const LATER = -2;

/** Up to here bytes are copied into the memory of the part: a loop is quicker than to look for their address. */
const COPIED_BYTES = 64;
/** The smallest part that a transfer is cut into when memory is short; a multiple of every bulk packet. */
const SMALLEST_PART = 16 << 10;
/** Of one device in the system at a time, beyond the first part of each endpoint: other devices need memory too. */
const SYSTEM_BYTES = 8 << 20;
const SETUP_BYTES = 8;

/** Gives transfers to the operating system, whole or in parts, and takes the results of a part. */
export class Submission<C> {
  readonly #table: PartTable<Part, C>;
  #bytes = 0;

  constructor(table: PartTable<Part, C>) {
    this.#table = table;
  }

  /** ACCEPTED, LATER, or the TransferStatus with which it is refused. */
  begin(transfer: Transfer): number {
    const { urb, queue } = transfer;
    if (queue.inSystem > 0 && this.#bytes + urb.length > SYSTEM_BYTES) return LATER;
    if (urb.type === TransferType.control) return this.#control(transfer);
    if (urb.type === TransferType.isochronous) return this.#packets(transfer);
    return transfer.parts > 0 ? LATER : this.#part(transfer);
  }

  /**
   * Takes in what one part has done, and tells how it ended. If that was not all of the transfer, `begin` goes on.
   */
  end(part: Part): TransferStatus {
    const transfer = part.transfer!;
    const { urb } = transfer;
    const length = this.#table.length(part);
    const actual = this.#table.actualLength(part);
    let status = this.#table.status(part);
    if (status === TransferStatus.disconnected && transfer.isCancelled) status = TransferStatus.cancelled;
    transfer.parts--;
    transfer.queue.inSystem--;
    this.#bytes -= length;
    if (urb.type === TransferType.isochronous) {
      this.#table.readPackets(part, urb);
      if (transfer.parts === 0) this.#endPackets(transfer);
    } else {
      this.#takeBytes(part, transfer, Math.min(actual, urb.length - urb.actualLength));
      // What did not fill its part ends the transfer; parts go one after the other, so that nothing is behind it.
      if (status !== TransferStatus.ok || actual < length) transfer.isBegun = true;
    }
    if (transfer.parts === 0 && transfer.isCancelled && !transfer.isBegun) {
      transfer.isBegun = true;
      status = TransferStatus.cancelled;
    }
    this.#table.give(part);
    return status;
  }

  #control(transfer: Transfer): number {
    const part = this.#table.take(0);
    if (part === undefined) return LATER;
    const { urb } = transfer;
    const { setup, buffer, offset } = urb;
    const wLength = Setup.wLength(setup, 0);
    const bytes = SETUP_BYTES + wLength;
    part.isOwn = bytes <= this.#table.ownBytes;
    if (!part.isOwn) transfer.gathered = new Uint8Array(bytes);
    const target = transfer.gathered ?? this.#table.bytes;
    const at = transfer.gathered === undefined ? part.ownAt : 0;
    copyBytes(setup, 0, SETUP_BYTES, target, at);
    if (!isIn(urb.endpoint)) copyBytes(buffer, offset, wLength, target, at + SETUP_BYTES);
    const address =
      transfer.gathered === undefined ? part.ownAddress : this.#table.addressOf(transfer.gathered);
    transfer.begun = 1;
    transfer.isBegun = true;
    return this.#submit(part, transfer, urb.flags, address, bytes, 0);
  }

  #part(transfer: Transfer): number {
    const { urb, begun, queue } = transfer;
    const { buffer, offset, endpoint } = urb;
    for (;;) {
      const length = Math.min(urb.length - begun, transfer.partBytes);
      const isLast = begun + length === urb.length;
      const part = this.#table.take(0);
      if (part === undefined) return LATER;
      part.isOwn = length <= COPIED_BYTES;
      if (part.isOwn && !isIn(endpoint)) {
        copyBytes(buffer, offset + begun, length, this.#table.bytes, part.ownAt);
      }
      const address = part.isOwn ? part.ownAddress : this.#table.addressOf(buffer) + offset + begun;
      // A short part ends the transfer in any case; a zero-length packet belongs behind the last one.
      const flags = begun === 0 && isLast ? urb.flags : isLast ? urb.flags & UrbFlag.zeroPacket : 0;
      const refusal = this.#submit(part, transfer, flags, address, length, 0);
      if (refusal === ACCEPTED) {
        transfer.begun = begun + length;
        transfer.isBegun = isLast;
      }
      if (refusal !== TransferStatus.noMemory) return refusal;
      if (queue.inSystem > 0) return LATER;
      if (length <= SMALLEST_PART) return refusal;
      transfer.partBytes = Math.max(transfer.partBytes >> 1, SMALLEST_PART);
    }
  }

  #packets(transfer: Transfer): number {
    const { urb } = transfer;
    const isGathered = transfer.begun > 0 ? transfer.gathered !== undefined : !arePacketsAdjacent(urb);
    if (isGathered && transfer.gathered === undefined) {
      transfer.gathered = new Uint8Array(bytesOfPackets(urb, 0, urb.packetCount));
      if (!isIn(urb.endpoint)) gatherPackets(urb, transfer.gathered);
    }
    while (transfer.begun < urb.packetCount) {
      const first = transfer.begun;
      const count = packetsOfPart(urb, first);
      const part = this.#table.take(count);
      if (part === undefined) return LATER;
      part.isOwn = false;
      part.firstPacket = first;
      const address = isGathered
        ? this.#table.addressOf(transfer.gathered!) + bytesOfPackets(urb, 0, first)
        : this.#table.addressOf(urb.buffer) +
          urb.offset +
          urb.packets[first * PACKET_WORDS + PacketWord.offset]!;
      const length = bytesOfPackets(urb, first, count);
      const refusal = this.#submit(part, transfer, urb.flags, address, length, count);
      if (refusal !== ACCEPTED) {
        if (refusal === TransferStatus.noMemory && transfer.queue.inSystem > 0) return LATER;
        if (first > 0) leavePacketsOut(urb, first);
        return refusal;
      }
      transfer.begun = first + count;
    }
    transfer.isBegun = true;
    return ACCEPTED;
  }

  #submit(
    part: Part,
    transfer: Transfer,
    flags: number,
    address: number,
    length: number,
    packetCount: number,
  ): number {
    const refusal = this.#table.submit(part, transfer.urb, flags, address, length, packetCount);
    if (refusal !== ACCEPTED) {
      this.#table.give(part);
      return refusal;
    }
    part.transfer = transfer;
    part.isDiscarded = false;
    transfer.parts++;
    transfer.queue.inSystem++;
    this.#bytes += length;
    return ACCEPTED;
  }

  #endPackets({ urb, gathered, begun, isCancelled }: Transfer): void {
    if (isCancelled) leavePacketsOut(urb, begun);
    if (gathered !== undefined && isIn(urb.endpoint)) scatterPackets(urb, gathered);
  }

  /** Bytes that the system has left elsewhere than where the sink wants them. */
  #takeBytes(part: Part, transfer: Transfer, actual: number): void {
    const { urb, gathered } = transfer;
    if (isIn(urb.endpoint) && (part.isOwn || gathered !== undefined)) {
      const source = gathered ?? this.#table.bytes;
      const at =
        (gathered === undefined ? part.ownAt : 0) + (urb.type === TransferType.control ? SETUP_BYTES : 0);
      copyBytes(source, at, actual, urb.buffer, urb.offset + urb.actualLength);
    }
    urb.actualLength += actual;
  }
}
