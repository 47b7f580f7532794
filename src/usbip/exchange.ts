import { createUrb, PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { errnoOf } from "./errno.ts";
import { Command, HEADER_SIZE, HeaderBasic, IsoPacket, RetSubmit, RetUnlink } from "./pdu.ts";

const BODY = HeaderBasic.size;

/** snd-usb-audio has at most 48 packets a URB, cameras 32 (linux: sound/usb, drivers/media/usb/uvc). */
const KEPT_PACKETS = 64;
const NO_PACKETS = new Int32Array(0);

/**
 * One CMD_SUBMIT on its way to a RET_SUBMIT, and the CMD_UNLINK that may catch up with it. The transfer
 * stands behind the room for a header in one buffer, so that an answer leaves without being copied together.
 */
export class Exchange {
  readonly urb: Urb;
  seqnum = 0;
  /** number_of_packets as the client sent it; echoed, for it says 0 or -1 when not isochronous. */
  numberOfPackets = 0;
  /** seqnum of the CMD_UNLINK that waits for the end of this transfer. */
  unlinkSeqnum: number | undefined;
  /** The client has its last word on this one already; nothing more is sent. */
  abandoned = false;

  constructor(tag: number) {
    this.urb = createUrb(tag);
  }

  /** Bytes of memory that a transfer and its answer need, the packet table of the URB included. */
  static bytesFor(length: number, packetCount: number): number {
    return HEADER_SIZE + length + packetCount * (IsoPacket.size + PACKET_WORDS * 4);
  }

  /** Lets a packet table go that is larger than drivers need; it counted against the session while in use. */
  forgetLargeTable(): void {
    if (this.urb.packets.length > KEPT_PACKETS * PACKET_WORDS) this.urb.packets = NO_PACKETS;
  }

  /** Writes RET_SUBMIT and what belongs to it over the exchange's own buffer. */
  encodeReply(isIn: boolean): Uint8Array {
    const { urb } = this;
    const { buffer } = urb;
    const isoLength = urb.packetCount > 0 ? this.#settlePackets(isIn) : 0;
    // A client whose buffer is smaller than what follows loses its link, or worse: never send more than asked.
    const actualLength =
      urb.packetCount > 0 ? isoLength : Math.min(Math.max(urb.actualLength, 0), urb.length);
    encodeRetSubmit(buffer, this.seqnum, urb.status, actualLength, this.numberOfPackets);
    RetSubmit.put.start_frame(buffer, BODY, urb.startFrame);
    RetSubmit.put.error_count(buffer, BODY, urb.errorCount);
    const end = encodePackets(urb.packets, urb.packetCount, buffer, HEADER_SIZE + (isIn ? actualLength : 0));
    return buffer.subarray(0, end);
  }

  /** Clamps each packet to its length, moves IN data together, and gives the sum of what moved. */
  #settlePackets(isIn: boolean): number {
    const { buffer, packets, packetCount, offset } = this.urb;
    let sum = 0;
    for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
      const length = packets[i + PacketWord.length]!;
      const actual = Math.max(Math.min(packets[i + PacketWord.actualLength]!, length), 0);
      packets[i + PacketWord.actualLength] = actual;
      const from = offset + packets[i + PacketWord.offset]!;
      if (isIn && from !== HEADER_SIZE + sum) buffer.copyWithin(HEADER_SIZE + sum, from, from + actual);
      sum += actual;
    }
    return sum;
  }
}

/** Writes the 48 bytes of a RET_SUBMIT; start_frame and error_count are 0. */
export function encodeRetSubmit(
  bytes: Uint8Array,
  seqnum: number,
  status: TransferStatus,
  actualLength: number,
  numberOfPackets: number,
): void {
  bytes.fill(0, 0, HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_SUBMIT);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetSubmit.put.status(bytes, BODY, errnoOf(status));
  RetSubmit.put.actual_length(bytes, BODY, actualLength);
  RetSubmit.put.number_of_packets(bytes, BODY, numberOfPackets);
}

/** Writes packet descriptors with their original offsets; gives the position behind the last. */
export function encodePackets(packets: Int32Array, count: number, bytes: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < count * PACKET_WORDS; i += PACKET_WORDS) {
    IsoPacket.put.offset(bytes, end, packets[i + PacketWord.offset]!);
    IsoPacket.put.length(bytes, end, packets[i + PacketWord.length]!);
    IsoPacket.put.actual_length(bytes, end, packets[i + PacketWord.actualLength]!);
    IsoPacket.put.status(bytes, end, errnoOf(packets[i + PacketWord.status]! as TransferStatus));
    end += IsoPacket.size;
  }
  return end;
}

/** A RET_UNLINK: `cancelled` if the transfer ended early, else it had an answer of its own before. */
export function encodeRetUnlink(seqnum: number, cancelled: boolean): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetUnlink.put.status(bytes, BODY, cancelled ? errnoOf(TransferStatus.cancelled) : 0);
  return bytes;
}
