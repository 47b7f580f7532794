import { createUrb, PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { errnoOf } from "./errno.ts";
import { Command, HEADER_SIZE, HeaderBasic, IsoPacket, RetSubmit, RetUnlink } from "./pdu.ts";

const BODY = HeaderBasic.size;

/** snd-usb-audio has at most 48 packets a URB, cameras 32 (linux: sound/usb, drivers/media/usb/uvc). */
const KEPT_PACKETS = 64;
const NO_PACKETS = new Int32Array(0);
const NO_MEMORY = new Uint8Array(0);
/** No seqnum: those are not negative. */
export const NOT_UNLINKED = -1;

/**
 * One CMD_SUBMIT on its way to a RET_SUBMIT, and the CMD_UNLINK that may catch up with it. The transfer
 * stands behind the room for a header in one buffer, so that an answer leaves without being copied together.
 */
export class Exchange {
  readonly urb: Urb;
  seqnum = 0;
  /** When its request came and when the device had done with it, by the clock of the loop. */
  arrivedMs = 0;
  completedMs = 0;
  /** number_of_packets as the client sent it; echoed, for it says 0 or -1 when not isochronous. */
  numberOfPackets = 0;
  /** seqnum of the CMD_UNLINK that waits for the end of this transfer. */
  unlinkSeqnum: number = NOT_UNLINKED;
  /** The client has its last word on this one already; nothing more is sent. */
  abandoned = false;
  /** The next of a list of exchanges: free ones, or those of a batch. */
  next: Exchange | undefined;
  /** Its memory belongs to the device, which bounds it. */
  isOfDevice = false;
  #memory: Uint8Array = NO_MEMORY;
  /** The last answer, which stands at the front of the memory. Steady traffic has answers of one length. */
  #reply: Uint8Array = NO_MEMORY;
  #isLent = false;

  constructor(tag: number) {
    this.urb = createUrb(tag);
    this.urb.offset = HEADER_SIZE;
  }

  /** Room for a header, and behind it for the transfer. */
  get memory(): Uint8Array {
    return this.#memory;
  }

  set memory(memory: Uint8Array) {
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.urb.buffer = memory;
    this.#reply = NO_MEMORY;
    blankRetSubmit(memory);
  }

  /** Lets go of memory that was given back. */
  forgetMemory(): void {
    this.#memory = NO_MEMORY;
    this.urb.buffer = NO_MEMORY;
    this.#reply = NO_MEMORY;
  }

  /** The OUT data stands in memory that will be used for something else. */
  get isLent(): boolean {
    return this.#isLent;
  }

  /** Gives the device the OUT data where it arrived. */
  lend(bytes: Uint8Array, at: number): void {
    this.#isLent = true;
    this.urb.buffer = bytes;
    this.urb.offset = at;
  }

  /** The device has no use for lent data any more. */
  takeBack(): void {
    this.#isLent = false;
    this.urb.buffer = this.#memory;
    this.urb.offset = HEADER_SIZE;
  }

  /** Moves lent data into memory of our own. */
  settle(): void {
    const { buffer, offset, length } = this.urb;
    this.takeBack();
    this.fill(buffer, offset, length, 0);
  }

  /** Copies OUT data in; `position` counts from its start. */
  fill(bytes: Uint8Array, at: number, length: number, position: number): void {
    copyBytes(bytes, at, length, this.#memory, HEADER_SIZE + position);
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
    // A client whose buffer is smaller than what follows loses its link, or worse: never send more than asked.
    const actualLength =
      urb.packetCount > 0 ? this.#settlePackets(isIn) : Math.min(Math.max(urb.actualLength, 0), urb.length);
    encodeRetSubmit(
      buffer,
      this.seqnum,
      urb.status,
      actualLength,
      urb.startFrame,
      this.numberOfPackets,
      urb.errorCount,
    );
    const end = encodePackets(urb.packets, urb.packetCount, buffer, HEADER_SIZE + (isIn ? actualLength : 0));
    if (this.#reply.length !== end) this.#reply = buffer.subarray(0, end);
    return this.#reply;
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

/** Begins a RET_SUBMIT with what is the same in all of them; Linux sends zeros for devid, direction and ep. */
export function blankRetSubmit(bytes: Uint8Array): void {
  bytes.fill(0, 0, HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_SUBMIT);
}

/** Writes the fields of a RET_SUBMIT that was begun by `blankRetSubmit`. */
export function encodeRetSubmit(
  bytes: Uint8Array,
  seqnum: number,
  status: TransferStatus,
  actualLength: number,
  startFrame: number,
  numberOfPackets: number,
  errorCount: number,
): void {
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetSubmit.put.status(bytes, BODY, errnoOf(status));
  RetSubmit.put.actual_length(bytes, BODY, actualLength);
  RetSubmit.put.start_frame(bytes, BODY, startFrame);
  RetSubmit.put.number_of_packets(bytes, BODY, numberOfPackets);
  RetSubmit.put.error_count(bytes, BODY, errorCount);
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
