import type { Link } from "../links/link.ts";

/** Notices a peer that takes nothing of what it is sent. */
export class StallWatch {
  readonly #link: Link;
  readonly #stallMs: number;
  #given = 0;
  #taken = 0;
  /** When the peer was last seen to take something, or had nothing to take. */
  #progressMs: number;

  constructor(link: Link, stallMs: number, nowMs: number) {
    this.#link = link;
    this.#stallMs = stallMs;
    this.#progressMs = nowMs;
  }

  /** The peer had nothing to take until now. */
  rested(nowMs: number): void {
    this.#progressMs = nowMs;
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    for (const chunk of chunks) this.#given += chunk.length;
    this.#link.write(chunks, written);
  }

  /** To be asked several times a second. */
  isStalled(nowMs: number): boolean {
    const { unsent } = this.#link;
    const taken = this.#given - unsent;
    if (unsent === 0 || taken !== this.#taken) {
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
