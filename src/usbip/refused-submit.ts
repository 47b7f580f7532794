import { PACKET_WORDS, PacketWord, TransferStatus } from "../usb/urb.ts";
import { encodeRetUnlink, NOT_UNLINKED, writePackets } from "./exchange.ts";
import { HEADER_SIZE, IsoPacket, MAX_ISO_PACKETS } from "./pdu.ts";
import { HEADER_WORDS, writeRetSubmit } from "./ret-submit.ts";

/** A CMD_SUBMIT that leads to no transfer. What belongs to it is read and dropped before it is answered. */
export class RefusedSubmit {
  #seqnum = 0;
  #endpoint = 0;
  #numberOfPackets = 0;
  #status: TransferStatus = TransferStatus.invalid;
  #unlinkSeqnum: number = NOT_UNLINKED;
  readonly #packets = new Int32Array(MAX_ISO_PACKETS * PACKET_WORDS);

  /** With the direction in bit 7. */
  get endpoint(): number {
    return this.#endpoint;
  }

  get status(): TransferStatus {
    return this.#status;
  }

  /** `unlinkSeqnum` is that of a CMD_UNLINK that came first, which is what is answered then. */
  begin(
    seqnum: number,
    endpoint: number,
    numberOfPackets: number,
    status: TransferStatus,
    unlinkSeqnum: number,
  ): void {
    this.#seqnum = seqnum;
    this.#endpoint = endpoint;
    this.#numberOfPackets = numberOfPackets;
    this.#status = status;
    this.#unlinkSeqnum = unlinkSeqnum;
  }

  packet(index: number, descriptor: DataView, at: number): void {
    readPacket(this.#packets, index, descriptor, at);
  }

  encodeAnswer(): Uint8Array {
    if (this.#unlinkSeqnum !== NOT_UNLINKED) return encodeRetUnlink(this.#unlinkSeqnum, true);
    const count = Math.max(this.#numberOfPackets, 0);
    const bytes = new Uint8Array(HEADER_SIZE + count * IsoPacket.size);
    const words = new Int32Array(bytes.buffer, 0, HEADER_WORDS);
    writeRetSubmit(words, 0, this.#seqnum, this.#status, 0, 0, this.#numberOfPackets, 0);
    writePackets(this.#packets, count, bytes, HEADER_SIZE);
    return bytes;
  }
}

/** Enters a packet descriptor that the client sent into a packet table. */
export function readPacket(packets: Int32Array, index: number, descriptor: DataView, at: number): void {
  const word = index * PACKET_WORDS;
  packets[word + PacketWord.offset] = IsoPacket.read.offset(descriptor, at);
  packets[word + PacketWord.length] = IsoPacket.read.length(descriptor, at);
  packets[word + PacketWord.actualLength] = 0;
  packets[word + PacketWord.status] = TransferStatus.notDone;
}
