import { settlePackets } from "../usb/settle-packets.ts";
import { createUrb, isIn, PACKET_WORDS, PacketWord, type Urb } from "../usb/urb.ts";
import { PACKET_COST } from "./limits.ts";
import { IsoResult, MessageType, UrbResponse } from "./messages.ts";
import { HEAD, Outgoing } from "./outgoing.ts";
import { Status } from "./status.ts";

const NO_MEMORY = new Uint8Array(0);
const NO_PACKETS = new Int32Array(0);
/** A packet table that is larger than drivers need is let go. */
const KEPT_PACKETS = 64;

/** The device that an exchange is for. */
export interface ExchangeOwner {
  /** Asks for an early end; false if the client has the device no longer. */
  cancel(exchange: Exchange): boolean;
  /** Its response has left. */
  release(exchange: Exchange): void;
}

/**
 * One UrbRequest on its way to a UrbResponse. The transfer stands in one buffer behind the room for the frame header,
 * the fixed part and the packet table of its response, so that this leaves without being copied together.
 */
export class Exchange {
  readonly urb: Urb;
  readonly owner: ExchangeOwner;
  readonly response: Outgoing;
  sequence = 0;
  /** When its request came and when the device had done with it, by the clock of the loop. */
  arrivedMs = 0;
  completedMs = 0;
  memory: Uint8Array = NO_MEMORY;
  /** What `memory` counts. */
  cost = 0;

  constructor(tag: number, owner: ExchangeOwner) {
    this.urb = createUrb(tag);
    this.owner = owner;
    this.response = new Outgoing(() => owner.release(this));
  }

  /** Bytes of memory that a transfer and its response need. */
  static bytesFor(length: number, packetCount: number): number {
    return HEAD + UrbResponse.size + length + packetCount * IsoResult.size;
  }

  /** What they count of the `bytes` that a Hello promises. */
  static costOf(length: number, packetCount: number): number {
    return length + packetCount * PACKET_COST;
  }

  /** Takes memory and room for a packet table; the fields of the URB that say so are set. */
  prepare(memory: Uint8Array): void {
    const { urb } = this;
    this.memory = memory;
    this.cost = Exchange.costOf(urb.length, urb.packetCount);
    urb.buffer = memory;
    urb.offset = HEAD + UrbResponse.size + urb.packetCount * IsoResult.size;
    const words = urb.packetCount * PACKET_WORDS;
    if (urb.packets.length < words) urb.packets = new Int32Array(words);
  }

  forgetMemory(): void {
    this.memory = NO_MEMORY;
    this.urb.buffer = NO_MEMORY;
  }

  forgetLargeTable(): void {
    if (this.urb.packets.length > KEPT_PACKETS * PACKET_WORDS) this.urb.packets = NO_PACKETS;
  }

  /** Writes the response in front of the data; tells how much has moved. */
  encodeResponse(): number {
    const { urb, memory } = this;
    const incoming = isIn(urb.endpoint);
    const transferred =
      urb.packetCount > 0
        ? settlePackets(this.urb, incoming)
        : Math.min(Math.max(urb.actualLength, 0), urb.length);
    UrbResponse.put.status(memory, HEAD, urb.status);
    UrbResponse.put.transferred_length(memory, HEAD, transferred);
    UrbResponse.put.start_frame(memory, HEAD, urb.startFrame);
    UrbResponse.put.number_of_packets(memory, HEAD, urb.packetCount);
    UrbResponse.put.reserved(memory, HEAD, 0);
    // Not the count of the device: it has none for a transfer that failed as a whole.
    let errors = 0;
    for (let i = 0, at = HEAD + UrbResponse.size; i < urb.packetCount; i++, at += IsoResult.size) {
      const status = urb.packets[i * PACKET_WORDS + PacketWord.status]!;
      if (status !== Status.OK) errors++;
      IsoResult.put.actual_length(memory, at, urb.packets[i * PACKET_WORDS + PacketWord.actualLength]!);
      IsoResult.put.status(memory, at, status);
    }
    UrbResponse.put.error_count(memory, HEAD, errors);
    const data = incoming ? transferred : 0;
    const size = UrbResponse.size + urb.packetCount * IsoResult.size + data;
    this.response.renew(MessageType.UrbResponse, this.sequence, memory, size);
    return transferred;
  }
}
