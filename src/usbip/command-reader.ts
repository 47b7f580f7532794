import { ProtocolError } from "../wire/protocol-error.ts";
import {
  CmdSubmit,
  Command,
  Direction,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
  MAX_ISO_PACKETS,
  MAX_TRANSFER_LENGTH,
} from "./pdu.ts";

const BODY = HeaderBasic.size;

/** Where the parts of a CMD_SUBMIT go. Without a `buffer` the payload is read and dropped. */
export interface Destination {
  readonly buffer: Uint8Array | undefined;
  /** Place of the payload's first byte in `buffer`. */
  readonly offset: number;
}

/** What a `CommandReader` finds. Answering with an error ends the reading. */
export interface CommandTarget {
  /** A CMD_SUBMIT whose lengths are within the limits, at `at`; its payload and packets follow. */
  submit(header: Uint8Array, at: number): Destination | ProtocolError;
  /** An isochronous packet descriptor of the last `submit`, at `at`. */
  packet(index: number, bytes: Uint8Array, at: number): void;
  /** All that belongs to the last `submit` has been read. */
  submitted(): void;
  unlink(header: Uint8Array, at: number): ProtocolError | undefined;
}

type Part = "header" | "payload" | "packets";

/**
 * Cuts the byte stream of the URB phase into commands, however it arrives. The framing hangs on the header
 * alone, never on what endpoints a device has: OUT payload by transfer_buffer_length, packet descriptors by
 * number_of_packets (0 or -1 means none).
 */
export class CommandReader {
  readonly #target: CommandTarget;
  readonly #partial = new Uint8Array(HEADER_SIZE);
  #partialLength = 0;
  #part: Part = "header";
  #destination: Destination = { buffer: undefined, offset: 0 };
  #payloadLength = 0;
  #packetCount = 0;
  /** Bytes of the payload, or whole packet descriptors, that were read. */
  #done = 0;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  receive(bytes: Uint8Array): ProtocolError | undefined {
    let at = 0;
    while (at < bytes.length || this.#isComplete()) {
      switch (this.#part) {
        case "header": {
          const start = this.#whole(bytes, at, HEADER_SIZE);
          if (start === undefined) return undefined;
          at = start.next;
          const error = this.#header(start.bytes, start.at);
          if (error !== undefined) return error;
          break;
        }
        case "payload": {
          const length = Math.min(this.#payloadLength - this.#done, bytes.length - at);
          const { buffer, offset } = this.#destination;
          if (buffer !== undefined && length > 0)
            buffer.set(bytes.subarray(at, at + length), offset + this.#done);
          this.#done += length;
          at += length;
          if (this.#done === this.#payloadLength) this.#begin("packets");
          break;
        }
        case "packets": {
          if (this.#done < this.#packetCount) {
            const start = this.#whole(bytes, at, IsoPacket.size);
            if (start === undefined) return undefined;
            at = start.next;
            this.#target.packet(this.#done, start.bytes, start.at);
            this.#done++;
          }
          if (this.#done === this.#packetCount) {
            this.#begin("header");
            this.#target.submitted();
          }
          break;
        }
      }
    }
    return undefined;
  }

  /** True while the current part needs no byte any more: an empty payload, no packets. */
  #isComplete(): boolean {
    if (this.#part === "payload") return this.#done === this.#payloadLength;
    return this.#part === "packets" && this.#done === this.#packetCount;
  }

  #begin(part: Part): void {
    this.#part = part;
    this.#done = 0;
  }

  /** Finds `size` bytes in one piece: in place, or gathered over several calls. */
  #whole(
    bytes: Uint8Array,
    at: number,
    size: number,
  ): { bytes: Uint8Array; at: number; next: number } | undefined {
    if (this.#partialLength === 0 && bytes.length - at >= size) return { bytes, at, next: at + size };
    const length = Math.min(size - this.#partialLength, bytes.length - at);
    this.#partial.set(bytes.subarray(at, at + length), this.#partialLength);
    this.#partialLength += length;
    if (this.#partialLength < size) return undefined;
    this.#partialLength = 0;
    return { bytes: this.#partial, at: 0, next: at + length };
  }

  #header(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const command = HeaderBasic.command(bytes, at);
    switch (command) {
      case Command.CMD_SUBMIT:
        return this.#submit(bytes, at);
      case Command.CMD_UNLINK:
        return this.#target.unlink(bytes, at);
      default:
        return new ProtocolError("BAD_COMMAND", `command ${command} is neither CMD_SUBMIT nor CMD_UNLINK`);
    }
  }

  #submit(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const length = CmdSubmit.transfer_buffer_length(bytes, at + BODY);
    if (length < 0 || length > MAX_TRANSFER_LENGTH) {
      return new ProtocolError(
        "BAD_LENGTH",
        `transfer_buffer_length is ${length}, the limit is ${MAX_TRANSFER_LENGTH}`,
      );
    }
    const packets = CmdSubmit.number_of_packets(bytes, at + BODY);
    if (packets < -1 || packets > MAX_ISO_PACKETS) {
      return new ProtocolError(
        "BAD_LENGTH",
        `number_of_packets is ${packets}, the limit is ${MAX_ISO_PACKETS}`,
      );
    }
    const direction = HeaderBasic.direction(bytes, at);
    if (direction !== Direction.IN && direction !== Direction.OUT) {
      return new ProtocolError("BAD_FIELD", `direction is ${direction}, neither OUT (0) nor IN (1)`);
    }
    const ep = HeaderBasic.ep(bytes, at);
    if (ep > 15) return new ProtocolError("BAD_FIELD", `ep is ${ep}, above 15`);
    const destination = this.#target.submit(bytes, at);
    if (destination instanceof ProtocolError) return destination;
    this.#destination = destination;
    this.#payloadLength = direction === Direction.OUT ? length : 0;
    this.#packetCount = Math.max(packets, 0);
    this.#begin("payload");
    return undefined;
  }
}
