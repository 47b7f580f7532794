import { createUrb, PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { INLINE_MAX } from "./limits.ts";
import { IsoRequest, IsoResult } from "./messages.ts";

const NO_PACKETS = new Int32Array(0);
/** A packet table that is larger than drivers need is let go. */
const KEPT_PACKETS = 64;

/** One URB_SUBMIT or ISO_SUBMIT on its way to its completion. */
export class Exchange {
  readonly urb: Urb;
  transaction = 0;
  /** `DataMode` of the request, which is that of the completion. */
  dataMode = 0;
  bufferOffset = 0;
  arrivedMs = 0;
  /** Small data, both ways. */
  readonly inline = new Uint8Array(INLINE_MAX);
  /** A copy of OUT data that stand in a slot. */
  copy: Uint8Array | undefined;
  /** Bytes that are counted for its packet table and its answer. */
  reserved = 0;
  /** Bytes that moved, once it has ended. */
  moved = 0;

  constructor(tag: number) {
    this.urb = createUrb(tag);
  }

  /** Bytes of memory that packets need here and in the answer. */
  static bytesOfPackets(count: number): number {
    return count * (PACKET_WORDS * 4 + IsoResult.size);
  }

  /** Enters the packets of an ISO_SUBMIT, which stand at `at`. */
  takePackets(view: DataView, at: number): void {
    const { urb } = this;
    const words = urb.packetCount * PACKET_WORDS;
    if (urb.packets.length < words) urb.packets = new Int32Array(words);
    for (let word = 0, from = at; word < words; word += PACKET_WORDS, from += IsoRequest.size) {
      urb.packets[word + PacketWord.offset] = IsoRequest.read.offset(view, from);
      urb.packets[word + PacketWord.length] = IsoRequest.read.length(view, from);
      urb.packets[word + PacketWord.actualLength] = 0;
      urb.packets[word + PacketWord.status] = TransferStatus.notDone;
    }
  }

  forgetLargeTable(): void {
    if (this.urb.packets.length > KEPT_PACKETS * PACKET_WORDS) this.urb.packets = NO_PACKETS;
  }
}
