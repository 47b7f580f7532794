import type { ProtocolError } from "../wire/protocol-error.ts";
import { WholePiece } from "../wire/whole-piece.ts";
import { HEADER_SIZE, IsoPacket } from "./pdu.ts";

/** What a `ReplyReader` finds. Answering with an error ends the reading. */
export interface ReplyTarget {
  /** A whole header at `at`. It sets `payloadLength` and `packetCount` for what follows. */
  header(bytes: Uint8Array, at: number): ProtocolError | undefined;
  readonly payloadLength: number;
  readonly packetCount: number;
  /** The next bytes of the payload; `position` counts from its start. */
  payload(bytes: Uint8Array, position: number): void;
  /** An isochronous packet descriptor of this reply, at `at`. */
  packet(index: number, bytes: Uint8Array, at: number): ProtocolError | undefined;
  /** All that belongs to the reply has been read. */
  replied(): ProtocolError | undefined;
  /** Nothing more is wanted: set by what a call above has led to. */
  readonly over: boolean;
}

type Part = "header" | "payload" | "packets";

/** Cuts the byte stream of a server into replies, however it arrives. */
export class ReplyReader {
  readonly #target: ReplyTarget;
  readonly #piece = new WholePiece(HEADER_SIZE);
  #part: Part = "header";
  /** Bytes of the payload, or whole packet descriptors, that were read. */
  #done = 0;

  constructor(target: ReplyTarget) {
    this.#target = target;
  }

  receive(bytes: Uint8Array): ProtocolError | undefined {
    const target = this.#target;
    for (let at = 0; !target.over; ) {
      let error: ProtocolError | undefined;
      switch (this.#part) {
        case "header":
        case "packets": {
          const isHeader = this.#part === "header";
          if (!isHeader && this.#done === target.packetCount) {
            this.#begin("header");
            error = target.replied();
            break;
          }
          const size = isHeader ? HEADER_SIZE : IsoPacket.size;
          const next = this.#piece.gather(bytes, at, size);
          if (next < 0) return undefined;
          // Whole in this read: in place. Otherwise its beginning came before.
          const source = next - at >= size ? bytes : this.#piece.bytes;
          const start = source === bytes ? at : 0;
          at = next;
          if (isHeader) {
            this.#begin("payload");
            error = target.header(source, start);
          } else {
            error = target.packet(this.#done++, source, start);
          }
          break;
        }
        case "payload": {
          const length = Math.min(target.payloadLength - this.#done, bytes.length - at);
          if (length > 0) target.payload(bytes.subarray(at, at + length), this.#done);
          this.#done += length;
          at += length;
          if (this.#done < target.payloadLength) return undefined;
          this.#begin("packets");
          break;
        }
      }
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #begin(part: Part): void {
    this.#part = part;
    this.#done = 0;
  }
}
