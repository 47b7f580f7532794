import { ProtocolError } from "../wire/protocol-error.ts";
import { WholePiece } from "../wire/whole-piece.ts";
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
// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const basic = HeaderBasic.read;
const submit = CmdSubmit.read;
const { CMD_SUBMIT, CMD_UNLINK } = Command;
const { IN, OUT } = Direction;
const MOST_LENGTH = MAX_TRANSFER_LENGTH;
const MOST_PACKETS = MAX_ISO_PACKETS;
const HEADER = HEADER_SIZE;

/** What a `CommandReader` finds. Answering with an error ends the reading. */
export interface CommandTarget {
  /**
   * A CMD_SUBMIT at `at`, for an endpoint with the direction in bit 7; transfer_buffer_length and number_of_packets are
   * within the limits. Its payload and packets follow.
   */
  submit(
    header: DataView,
    at: number,
    endpoint: number,
    length: number,
    numberOfPackets: number,
  ): ProtocolError | undefined;
  /** The next `length` bytes of its payload, at `at`; `position` counts from the payload's start. */
  payload(bytes: Uint8Array, at: number, length: number, position: number): void;
  /** An isochronous packet descriptor of the last `submit`, at `at`. */
  packet(index: number, descriptor: DataView, at: number): void;
  /** All that belongs to the last `submit` has been read. */
  submitted(): void;
  unlink(header: DataView, at: number): ProtocolError | undefined;
}

/** What comes next in the stream. */
const Part = { header: 0, payload: 1, packets: 2 } as const;
type Part = (typeof Part)[keyof typeof Part];

/**
 * Cuts the byte stream of the URB phase into commands, however it arrives. The framing hangs on the header
 * alone, never on what endpoints a device has: OUT payload by transfer_buffer_length, packet descriptors by
 * number_of_packets (0 or -1 means none).
 */
export class CommandReader {
  readonly #target: CommandTarget;
  readonly #piece = new WholePiece(HEADER_SIZE);
  readonly #pieceView = new DataView(this.#piece.bytes.buffer);
  /** What came last, and a view of all the memory that it stood in: a link reads into the same again and again. */
  #last: Uint8Array = this.#piece.bytes;
  #view: DataView = this.#pieceView;
  #part: Part = Part.header;
  #payloadLength = 0;
  #packetCount = 0;
  /** Bytes of the payload, or whole packet descriptors, that were read. */
  #done = 0;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  receive(bytes: Uint8Array): ProtocolError | undefined {
    const { byteOffset, length: end } = bytes;
    if (bytes !== this.#last) {
      this.#last = bytes;
      if (bytes.buffer !== this.#view.buffer) this.#view = new DataView(bytes.buffer);
    }
    let at = 0;
    while (at < end) {
      switch (this.#part) {
        case Part.header: {
          const next = this.#piece.gather(bytes, at, HEADER);
          if (next < 0) return undefined;
          // Whole in these bytes: in place. Otherwise its beginning came before.
          const error =
            next - at === HEADER
              ? this.#header(this.#view, byteOffset + at)
              : this.#header(this.#pieceView, 0);
          if (error !== undefined) return error;
          at = next;
          break;
        }
        case Part.payload: {
          const length = Math.min(this.#payloadLength - this.#done, end - at);
          this.#target.payload(bytes, at, length, this.#done);
          this.#done += length;
          at += length;
          if (this.#done < this.#payloadLength) return undefined;
          if (this.#packetCount > 0) this.#begin(Part.packets);
          else this.#finish();
          break;
        }
        case Part.packets: {
          const next = this.#piece.gather(bytes, at, IsoPacket.size);
          if (next < 0) return undefined;
          if (next - at === IsoPacket.size) this.#target.packet(this.#done, this.#view, byteOffset + at);
          else this.#target.packet(this.#done, this.#pieceView, 0);
          at = next;
          this.#done++;
          if (this.#done === this.#packetCount) this.#finish();
          break;
        }
      }
    }
    return undefined;
  }

  #begin(part: Part): void {
    this.#part = part;
    this.#done = 0;
  }

  #finish(): void {
    this.#begin(Part.header);
    this.#target.submitted();
  }

  #header(header: DataView, at: number): ProtocolError | undefined {
    const command = basic.command(header, at);
    switch (command) {
      case CMD_SUBMIT:
        return this.#submit(header, at);
      case CMD_UNLINK:
        return this.#target.unlink(header, at);
      default:
        return new ProtocolError("BAD_COMMAND", `command ${command} is neither CMD_SUBMIT nor CMD_UNLINK`);
    }
  }

  #submit(header: DataView, at: number): ProtocolError | undefined {
    const length = submit.transfer_buffer_length(header, at + BODY);
    if (length < 0 || length > MOST_LENGTH) {
      return new ProtocolError(
        "BAD_LENGTH",
        `transfer_buffer_length is ${length}, the limit is ${MAX_TRANSFER_LENGTH}`,
      );
    }
    const packets = submit.number_of_packets(header, at + BODY);
    if (packets < -1 || packets > MOST_PACKETS) {
      return new ProtocolError(
        "BAD_LENGTH",
        `number_of_packets is ${packets}, the limit is ${MAX_ISO_PACKETS}`,
      );
    }
    const direction = basic.direction(header, at);
    if (direction !== IN && direction !== OUT) {
      return new ProtocolError("BAD_FIELD", `direction is ${direction}, neither OUT (0) nor IN (1)`);
    }
    const ep = basic.ep(header, at);
    if (ep > 15) return new ProtocolError("BAD_FIELD", `ep is ${ep}, above 15`);
    const refused = this.#target.submit(header, at, ep | (direction === IN ? 0x80 : 0), length, packets);
    if (refused !== undefined) return refused;
    this.#payloadLength = direction === OUT ? length : 0;
    this.#packetCount = Math.max(packets, 0);
    if (this.#payloadLength > 0) this.#begin(Part.payload);
    else if (this.#packetCount > 0) this.#begin(Part.packets);
    else this.#target.submitted();
    return undefined;
  }
}
