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

/** What a `CommandReader` finds. Answering with an error ends the reading. */
export interface CommandTarget {
  /** A CMD_SUBMIT whose lengths are within the limits, at `at`; its payload and packets follow. */
  submit(header: Uint8Array, at: number): ProtocolError | undefined;
  /** The next `length` bytes of its payload, at `at`; `position` counts from the payload's start. */
  payload(bytes: Uint8Array, at: number, length: number, position: number): void;
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
          const next = this.#gather(bytes, at, HEADER_SIZE);
          if (next < 0) return undefined;
          // Whole in these bytes: in place. Otherwise its beginning came before.
          const isWhole = next - at === HEADER_SIZE;
          const error = this.#header(isWhole ? bytes : this.#partial, isWhole ? at : 0);
          if (error !== undefined) return error;
          at = next;
          break;
        }
        case "payload": {
          const length = Math.min(this.#payloadLength - this.#done, bytes.length - at);
          if (length > 0) this.#target.payload(bytes, at, length, this.#done);
          this.#done += length;
          at += length;
          if (this.#done === this.#payloadLength) this.#begin("packets");
          break;
        }
        case "packets": {
          if (this.#done < this.#packetCount) {
            const next = this.#gather(bytes, at, IsoPacket.size);
            if (next < 0) return undefined;
            const isWhole = next - at === IsoPacket.size;
            this.#target.packet(this.#done, isWhole ? bytes : this.#partial, isWhole ? at : 0);
            at = next;
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

  /** Position behind `size` bytes in one piece, at `at` or in `#partial`; -1 while they are not all there. */
  #gather(bytes: Uint8Array, at: number, size: number): number {
    if (this.#partialLength === 0 && bytes.length - at >= size) return at + size;
    const length = Math.min(size - this.#partialLength, bytes.length - at);
    this.#partial.set(bytes.subarray(at, at + length), this.#partialLength);
    this.#partialLength += length;
    if (this.#partialLength < size) return -1;
    this.#partialLength = 0;
    return at + length;
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
    const refused = this.#target.submit(bytes, at);
    if (refused !== undefined) return refused;
    this.#payloadLength = direction === Direction.OUT ? length : 0;
    this.#packetCount = Math.max(packets, 0);
    this.#begin("payload");
    return undefined;
  }
}
