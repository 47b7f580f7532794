import { ProtocolError } from "../wire/protocol-error.ts";
import { WholePiece } from "../wire/whole-piece.ts";
import { FrameFlag, FrameHeader, MAX_PAYLOAD } from "./messages.ts";

/** What a `FrameReader` finds. Answering with an error ends the reading. */
export interface FrameTarget {
  /** A whole frame header. It sets `wanted` for what follows. */
  frame(type: number, size: number, sequence: number, flags: number): ProtocolError | undefined;
  /** Bytes that `fixed` wants next in one piece, at most `FIXED_MAX`; 0 where the rest of the payload may come cut. */
  readonly wanted: number;
  /** That many bytes of the payload, at `at`. It sets `wanted` anew. */
  fixed(bytes: Uint8Array, at: number): ProtocolError | undefined;
  /** The next bytes of the payload, at `at`. */
  data(bytes: Uint8Array, at: number, length: number): void;
  /** All of the frame has been read. */
  frameEnd(): ProtocolError | undefined;
  /** Nothing more is wanted: set by what a call above has led to. */
  readonly over: boolean;
}

/** A packet table, the longest part that is wanted in one piece. */
export const FIXED_MAX = 8 << 10;

type Part = "header" | "fixed" | "data";

/** Cuts the byte stream of a connection into frames, however it arrives. */
export class FrameReader {
  readonly #target: FrameTarget;
  /** Looks at the type of the first frame, before anything else of it is. */
  #first: ((type: number) => ProtocolError | undefined) | undefined;
  readonly #piece = new WholePiece(FIXED_MAX);
  #part: Part = "header";
  /** Bytes of the payload that have not been read. */
  #left = 0;

  constructor(target: FrameTarget, first: (type: number) => ProtocolError | undefined) {
    this.#target = target;
    this.#first = first;
  }

  receive(bytes: Uint8Array): ProtocolError | undefined {
    const target = this.#target;
    for (let at = 0; !target.over; ) {
      let error: ProtocolError | undefined;
      if (this.#part === "data" || (this.#part === "fixed" && target.wanted === 0)) {
        this.#part = "data";
        const length = Math.min(this.#left, bytes.length - at);
        if (length > 0) target.data(bytes, at, length);
        at += length;
        this.#left -= length;
        if (this.#left > 0) return undefined;
        this.#part = "header";
        error = target.frameEnd();
      } else {
        const size = this.#part === "header" ? FrameHeader.size : target.wanted;
        if (this.#part === "fixed" && size > this.#left) {
          return new ProtocolError("BAD_LENGTH", `${this.#left} bytes of a payload are left, not ${size}`);
        }
        const next = this.#piece.gather(bytes, at, size);
        if (next < 0) return undefined;
        // Whole in these bytes: in place. Otherwise its beginning came before.
        const isWhole = next - at === size;
        const source = isWhole ? bytes : this.#piece.bytes;
        const start = isWhole ? at : 0;
        at = next;
        if (this.#part === "header") {
          this.#part = "fixed";
          error = this.#header(source, start);
        } else {
          this.#left -= size;
          error = target.fixed(source, start);
        }
      }
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #header(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const type = FrameHeader.type(bytes, at);
    const refused = this.#first?.(type);
    if (refused !== undefined) return refused;
    this.#first = undefined;
    const size = FrameHeader.payload_size(bytes, at);
    if (size > MAX_PAYLOAD) {
      return new ProtocolError("BAD_LENGTH", `payload_size is ${size}, the limit is ${MAX_PAYLOAD}`);
    }
    const flags = FrameHeader.reserved(bytes, at);
    const isKnown =
      flags === 0 || (flags === FrameFlag.MORE && size > 0) || (flags === FrameFlag.ABANDONED && size === 0);
    if (!isKnown) {
      return new ProtocolError(
        "BAD_FIELD",
        `reserved is 0x${flags.toString(16)} with ${size} bytes of payload`,
      );
    }
    this.#left = size;
    return this.#target.frame(type, size, FrameHeader.sequence_number(bytes, at), flags);
  }
}
