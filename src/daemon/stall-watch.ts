import type { Link } from "../links/link.ts";

/** Notices a peer that takes nothing of what it is sent. */
export class StallWatch {
  readonly #link: Link;
  readonly #stallMs: number;
  readonly #waits: () => void;
  #given = 0;
  #taken = 0;
  /** When the peer was last seen to take something, or had nothing to take. */
  #progressMs: number;
  /** Bytes wait since the clock was looked at last. */
  #isFresh = false;

  /** `waits` runs when the peer has something to take: `isStalled` is to be asked until it has. */
  constructor(link: Link, stallMs: number, nowMs: number, waits: () => void = () => {}) {
    this.#link = link;
    this.#stallMs = stallMs;
    this.#progressMs = nowMs;
    this.#waits = waits;
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    if (this.#link.unsent === 0) this.#isFresh = true;
    for (const chunk of chunks) this.#given += chunk.length;
    this.#link.write(chunks, written);
    if (this.#link.unsent > 0) this.#waits();
  }

  /** To be asked several times a second. */
  isStalled(nowMs: number): boolean {
    const { unsent } = this.#link;
    const taken = this.#given - unsent;
    if (unsent === 0 || taken !== this.#taken || this.#isFresh) {
      this.#isFresh = false;
      this.#taken = taken;
      this.#progressMs = nowMs;
    }
    return nowMs - this.#progressMs >= this.#stallMs;
  }

  /** What happened, for a person. */
  get reason(): string {
    return `${this.#link.unsent} bytes wait, and the peer has taken none for ${this.#stallMs / 1_000} s`;
  }
}
