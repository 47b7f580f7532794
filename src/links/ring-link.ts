import type { Arena } from "../linux/arena.ts";
import type { Link } from "./link.ts";
import type { LinkError } from "./link-error.ts";

const BELL = [Uint8Array.of(1)];
const NOBODY = (): void => {};

/**
 * Memory that two sides have mapped, and beside it a link that carries nothing but wake-ups, one byte each, and tells at
 * once when the other side is gone. What the link brings is not looked at.
 */
export class RingLink {
  /** Who is at the other end, for people and logs. */
  readonly peer: string;
  readonly memory: Arena;
  readonly #link: Link;
  readonly #release: () => void;
  #isDestroyed = false;

  /** Both belong to it from now on. `release` gives the memory back. */
  constructor(peer: string, memory: Arena, link: Link, release = () => memory.free()) {
    this.#release = release;
    this.peer = peer;
    this.memory = memory;
    this.#link = link;
  }

  /**
   * `heard` runs when the other side has rung, perhaps once for several times. `ended` runs once, when the other side is
   * gone, but not after `destroy`. The memory stays until then.
   */
  start(heard: () => void, ended: (cause?: LinkError) => void): void {
    this.#link.start(heard, (cause) => {
      if (!this.#isDestroyed) ended(cause);
    });
  }

  /** A byte that has not left yet is heard after this call: another one would tell nothing more. */
  wake(): void {
    if (this.#link.unsent === 0) this.#link.write(BELL, NOBODY);
  }

  /** Ends it and gives the memory back: views that are left see other memory. Doing it twice does nothing. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#link.destroy();
    this.#release();
  }
}
