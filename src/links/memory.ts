import type { Link } from "./link.ts";
import { LinkError } from "./link-error.ts";

/** What a memory link needs of a loop. */
export interface Turns {
  /** Runs `callback` once, after the current callback has returned. */
  soon(callback: () => void): void;
}

/**
 * Two ends of a link without a socket. With a seed the bytes arrive cut and delayed, the same way each time
 * for the same seed; without one each chunk arrives whole, one turn after it was written.
 */
export function memoryPair(turns: Turns, seed?: number): readonly [Link, Link] {
  const random = seed === undefined ? undefined : randomNumbers(seed);
  const left = new MemoryLink("memory:right", turns, random);
  const right = new MemoryLink("memory:left", turns, random);
  left.join(right);
  right.join(left);
  return [left, right];
}

/** A whole number from 0 to `limit` - 1. */
type Random = (limit: number) => number;

interface Outgoing {
  readonly bytes: Uint8Array;
  sent: number;
  /** Runs once the last byte is taken. */
  readonly written: (() => void) | undefined;
}

const MAX_DELAY_TURNS = 4;

class MemoryLink implements Link {
  readonly peer: string;
  readonly #turns: Turns;
  readonly #random: Random | undefined;
  #other!: MemoryLink;
  #receive: ((bytes: Uint8Array) => void) | undefined;
  #ended: ((cause?: LinkError) => void) | undefined;
  readonly #outgoing: Outgoing[] = [];
  #unsent = 0;
  /** `end` was called: the other side ends after the last byte. */
  #ending = false;
  #over = false;
  #moving = false;

  constructor(peer: string, turns: Turns, random: Random | undefined) {
    this.peer = peer;
    this.#turns = turns;
    this.#random = random;
  }

  join(other: MemoryLink): void {
    this.#other = other;
  }

  get unsent(): number {
    return this.#unsent;
  }

  start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    this.#receive = receive;
    this.#ended = ended;
    this.#other.#move();
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    const last = chunks.length - 1;
    if (last < 0 || this.#ending || this.#over) {
      this.#turns.soon(written);
      return;
    }
    for (let i = 0; i <= last; i++) {
      const bytes = chunks[i]!;
      this.#unsent += bytes.length;
      this.#outgoing.push({ bytes, sent: 0, written: i === last ? written : undefined });
    }
    this.#move();
  }

  end(): void {
    this.#ending = true;
    this.#move();
  }

  destroy(): void {
    if (this.#over) return;
    this.#finish();
    this.#other.#finish(
      new LinkError("ECONNRESET", `lost ${this.#other.peer}: the peer cut the connection.`),
    );
  }

  /** Moves one piece per turn to the other side, as long as that side reads. */
  #move(): void {
    if (this.#moving || this.#over || this.#other.#receive === undefined) return;
    this.#moving = true;
    this.#afterTurns(1 + (this.#random?.(MAX_DELAY_TURNS) ?? 0), () => {
      this.#moving = false;
      if (!this.#over) this.#step();
    });
  }

  #step(): void {
    const next = this.#outgoing[0];
    if (next === undefined) {
      // No half-open links: the side that hears of the end answers with its own, once all it wrote has left.
      if (!this.#ending) return;
      if (!this.#other.#ending) this.#other.end();
      else if (this.#other.#outgoing.length === 0) {
        this.#finish();
        this.#other.#finish();
      }
      return;
    }
    const left = next.bytes.length - next.sent;
    const length = this.#random === undefined || left === 0 ? left : 1 + this.#random(left);
    // A copy, as a kernel makes: the writer may change its bytes as soon as they are taken.
    const piece = next.bytes.slice(next.sent, next.sent + length);
    next.sent += length;
    this.#unsent -= length;
    if (next.sent === next.bytes.length) {
      this.#outgoing.shift();
      next.written?.();
    }
    if (piece.length > 0) this.#other.#receive?.(piece);
    this.#move();
  }

  #finish(cause?: LinkError): void {
    if (this.#over) return;
    this.#over = true;
    this.#unsent = 0;
    this.#receive = undefined;
    const lost = this.#outgoing.splice(0);
    this.#turns.soon(() => {
      for (const { written } of lost) written?.();
      this.#ended?.(cause);
    });
  }

  #afterTurns(count: number, callback: () => void): void {
    this.#turns.soon(count === 1 ? callback : () => this.#afterTurns(count - 1, callback));
  }
}

/** Numerical Recipes' linear congruential generator: its upper bits are good enough to cut chunks. */
function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
