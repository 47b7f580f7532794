import type { Link } from "../links/link.ts";
import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

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

const PATROL_MS = 250;
/** How long a host may take nothing of what it is sent. */
const STALL_MS = 10_000;

/** Writes to a host, and watches it by itself as long as it has something to take. */
export class StallPatrol {
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #watch: StallWatch;
  readonly #stalled: (error: ProtocolError) => void;
  #isWalking = false;
  #isOver = false;

  /** `stalled` is told once, and drops the link. */
  constructor(link: Link, loop: Loop, stalled: (error: ProtocolError) => void) {
    this.#link = link;
    this.#loop = loop;
    this.#watch = new StallWatch(link, STALL_MS, loop.now());
    this.#stalled = stalled;
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    if (!this.#isWalking) {
      this.#isWalking = true;
      this.#watch.rested(this.#loop.now());
      this.#walk();
    }
    this.#watch.write(chunks, written);
  }

  /** The link is over. */
  end(): void {
    this.#isOver = true;
  }

  #walk(): void {
    this.#loop.after(PATROL_MS, () => {
      if (this.#isOver) return;
      if (this.#watch.isStalled(this.#loop.now())) {
        this.#stalled(new ProtocolError("PEER_NOT_READING", this.#watch.reason));
        return;
      }
      this.#isWalking = this.#link.unsent > 0;
      if (this.#isWalking) this.#walk();
    });
  }
}
