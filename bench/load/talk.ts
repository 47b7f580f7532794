import type { Case } from "../case.ts";

/** What became of a transfer that was asked for. */
export interface TalkOwner {
  /** Sends the chunks in one go. They are not written to again. */
  write(chunks: readonly Uint8Array[]): void;
  /** The oldest transfer has ended as it should. */
  answered(): void;
  failed(error: Error): void;
}

/**
 * A guest of one protocol, as lean as one can be that keeps the rules: it takes the gadget zero and asks for transfers that
 * are all the same.
 */
export interface Talk {
  /** Takes the device and configures it. */
  begin(): Promise<void>;
  /** Asks for one more transfer; leaves with the next `flush`. */
  submit(): void;
  flush(): void;
  receive(bytes: Uint8Array): void;
}

export type TalkClass = new (one: Case, owner: TalkOwner) => Talk;

export const ZERO = "zero";
/** SET_CONFIGURATION to the one whose bulk endpoints take and give whatever is asked. */
export const SET_CONFIGURATION_3 = Uint8Array.of(0x00, 0x09, 3, 0, 0, 0, 0, 0);
export const BULK_ENDPOINT = 1;
/** A host may not have the device back from the client before. */
export const TRIES = 50;
export const BETWEEN_TRIES_MS = 20;

/** Cuts what comes into parts of a length that is known before each, and keeps the beginning of each. */
export class PartReader {
  /** What is kept of the present part. */
  readonly bytes: Buffer;
  #expected = 0;
  #kept = 0;
  #filled = 0;
  #whole: () => void = () => {};

  constructor(keptMax: number) {
    this.bytes = Buffer.alloc(keptMax);
  }

  /** The next part has `length` bytes, of which the first `kept` are wanted. */
  expect(length: number, kept: number, whole: () => void): void {
    this.#expected = length;
    this.#kept = Math.min(kept, length);
    this.#whole = whole;
  }

  receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(this.#expected - this.#filled, bytes.length - at);
      for (let i = this.#filled; i < this.#kept && i < this.#filled + length; i++) {
        this.bytes[i] = bytes[at + i - this.#filled]!;
      }
      this.#filled += length;
      at += length;
      while (this.#filled === this.#expected) {
        this.#filled = 0;
        this.#whole();
      }
    }
  }
}
