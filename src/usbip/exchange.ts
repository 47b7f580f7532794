import { errnoOf } from "../usb/errno.ts";
import { settlePackets } from "../usb/settle-packets.ts";
import { createUrb, PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import type { Page } from "./pages.ts";
import { Command, HEADER_SIZE, HeaderBasic, IsoPacket, RetUnlink } from "./pdu.ts";
import { HEADER_WORDS, writeRetSubmit } from "./ret-submit.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const HEADER = HEADER_SIZE;
const BODY = HeaderBasic.size;

/** snd-usb-audio has at most 48 packets a URB, cameras 32 (linux: sound/usb, drivers/media/usb/uvc). */
const KEPT_PACKETS = 64;
const NO_PACKETS = new Int32Array(0);
const NO_MEMORY = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
/** No seqnum: those are not negative. */
export const NOT_UNLINKED = -1;

/**
 * One CMD_SUBMIT on its way to a RET_SUBMIT, and the CMD_UNLINK that may catch up with it. The transfer stands in
 * memory behind the room for a header, so that an answer leaves without being copied together.
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
  /**
   * Where the answer stands: `size` bytes from `at`, its header and behind it the data, or what is said of it. 0 bytes
   * while it has no memory.
   */
  memory: Uint8Array = NO_MEMORY;
  at = 0;
  size = 0;
  /** The page that this is a piece of; nothing if it is memory of its own. */
  page: Page | undefined;
  /** Bytes that are counted for data that is lent, and memory for data that does not stand with the answer. */
  reserved = 0;
  apart: Uint8Array | undefined;
  /** Bytes of the answer, once it is written; data that the device lends is not among them. */
  replyLength = 0;
  /** Bytes of IN data that the device lends, where the URB says. */
  lentLength = 0;
  /** Its memory belongs to the device, which bounds it. */
  isOfDevice = false;
  /** The memory in words, as far as headers stand in it. */
  #words: Int32Array = NO_WORDS;
  /** The last memory of its own. Steady traffic has the same again and again. */
  #own: Uint8Array = NO_MEMORY;
  #ownWords: Int32Array = NO_WORDS;
  #isLent = false;

  constructor(tag: number) {
    this.urb = createUrb(tag);
  }

  /** Its memory is the last piece that was taken of a page. */
  standIn(page: Page, size: number): void {
    if (page !== this.page) {
      this.page = page;
      this.memory = page.bytes;
      this.#words = page.words;
    }
    this.at = page.used - size;
    this.size = size;
  }

  /** `own` begins at a word of the machine. */
  standAlone(own: Uint8Array, size: number): void {
    if (own !== this.#own) {
      this.#own = own;
      this.#ownWords = new Int32Array(own.buffer, own.byteOffset, HEADER_WORDS);
    }
    this.page = undefined;
    this.memory = own;
    this.#words = this.#ownWords;
    this.at = 0;
    this.size = size;
  }

  /** The data stands behind the header of the answer. */
  placeData(): void {
    this.urb.buffer = this.memory;
    this.urb.offset = this.at + HEADER;
  }

  /** The data has memory for itself. */
  keepApart(bytes: Uint8Array): void {
    this.apart = bytes;
    this.urb.buffer = bytes;
    this.urb.offset = 0;
  }

  /** Gives up the memory that the data had for itself. */
  leaveApart(): void {
    this.apart = undefined;
    this.urb.buffer = this.memory;
  }

  /** Lets go of memory that was given back. */
  forgetMemory(): void {
    this.page = undefined;
    this.memory = NO_MEMORY;
    this.urb.buffer = NO_MEMORY;
    this.#words = NO_WORDS;
    this.#own = NO_MEMORY;
    this.#ownWords = NO_WORDS;
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
    this.placeData();
  }

  /** Copies OUT data in; `position` counts from its start. */
  fill(bytes: Uint8Array, at: number, length: number, position: number): void {
    const { buffer, offset } = this.urb;
    copyBytes(bytes, at, length, buffer, offset + position);
  }

  /** Bytes of memory that a transfer and its answer need, the packet table of the URB included. */
  static bytesFor(length: number, packetCount: number): number {
    return HEADER_SIZE + length + packetCount * (IsoPacket.size + PACKET_WORDS * 4);
  }

  /** Has a table for so many packets. */
  makeTable(packetCount: number): void {
    const words = packetCount * PACKET_WORDS;
    if (this.urb.packets.length < words) this.urb.packets = new Int32Array(words);
  }

  /** Lets a packet table go that is larger than drivers need; it counted against the session while in use. */
  forgetLargeTable(): void {
    if (this.urb.packets.length > KEPT_PACKETS * PACKET_WORDS) this.urb.packets = NO_PACKETS;
  }

  /** Writes RET_SUBMIT and what belongs to it where the answer stands; the data is there already. */
  writeReply(withData: boolean): void {
    const { urb, at } = this;
    const isElsewhere = withData && urb.buffer !== this.memory;
    // A client whose buffer is smaller than what follows loses its link, or worse: never send more than asked, nor less
    // than is said to follow.
    const most = isElsewhere ? Math.min(urb.buffer.length - urb.offset, urb.length) : urb.length;
    const actualLength =
      urb.packetCount > 0 ? settlePackets(this.urb, withData) : Math.max(Math.min(urb.actualLength, most), 0);
    writeRetSubmit(
      this.#words,
      at >> 2,
      this.seqnum,
      urb.status,
      actualLength,
      urb.startFrame,
      this.numberOfPackets,
      urb.errorCount,
    );
    this.lentLength = isElsewhere ? actualLength : 0;
    this.replyLength = HEADER + (withData && !isElsewhere ? actualLength : 0);
    if (urb.packetCount > 0) {
      writePackets(urb.packets, urb.packetCount, this.memory, at + this.replyLength);
      this.replyLength += urb.packetCount * IsoPacket.size;
    }
  }
}

/** Writes packet descriptors with their original offsets. */
export function writePackets(packets: Int32Array, count: number, bytes: Uint8Array, at: number): void {
  let to = at;
  for (let i = 0; i < count * PACKET_WORDS; i += PACKET_WORDS) {
    IsoPacket.put.offset(bytes, to, packets[i + PacketWord.offset]!);
    IsoPacket.put.length(bytes, to, packets[i + PacketWord.length]!);
    IsoPacket.put.actual_length(bytes, to, packets[i + PacketWord.actualLength]!);
    IsoPacket.put.status(bytes, to, errnoOf(packets[i + PacketWord.status]! as TransferStatus));
    to += IsoPacket.size;
  }
}

/** A RET_UNLINK: `cancelled` if the transfer ended early, else it had an answer of its own before. */
export function encodeRetUnlink(seqnum: number, cancelled: boolean): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetUnlink.put.status(bytes, BODY, cancelled ? errnoOf(TransferStatus.cancelled) : 0);
  return bytes;
}
