import type { Exchange } from "./exchange.ts";
import { ReplyBatch } from "./reply-batch.ts";

/** Batches that are kept for later. */
const IDLE_MAX = 4;

/** Answers of one session, from when they are known until the link has taken them. */
export class Replies {
  readonly #write: (chunks: readonly Uint8Array[], written: () => void) => void;
  readonly #free: (first: Exchange | undefined) => void;
  readonly #left = (batch: ReplyBatch): void => this.#batchLeft(batch);
  readonly #idle: ReplyBatch[] = [];
  /** Not before something is to be sent: the last one has left by then, and steady traffic uses that one each time. */
  #batch: ReplyBatch | undefined;
  #looseWaiting = 0;

  /** `free` gets the first of a list of exchanges whose answers have left. */
  constructor(
    write: (chunks: readonly Uint8Array[], written: () => void) => void,
    free: (first: Exchange | undefined) => void,
  ) {
    this.#write = write;
    this.#free = free;
  }

  /** Bytes of answers that belong to no exchange, and that the link has not taken. */
  get looseWaiting(): number {
    return this.#looseWaiting;
  }

  /** The answer to a transfer; it stands in the memory of its exchange. */
  add(exchange: Exchange): void {
    this.#open.add(exchange);
  }

  addLoose(bytes: Uint8Array): void {
    this.#open.addLoose(bytes);
  }

  /** Sends what has come together, in one write. */
  send(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    batch.seal();
    this.#batch = undefined;
    this.#looseWaiting += batch.looseBytes;
    this.#write(batch.chunks, batch.left);
  }

  get #open(): ReplyBatch {
    this.#batch ??= this.#idle.pop() ?? new ReplyBatch(this.#left);
    return this.#batch;
  }

  /** Lets go of memory that was given back. */
  forgetMemory(): void {
    for (const batch of this.#idle) batch.forget();
  }

  #batchLeft(batch: ReplyBatch): void {
    this.#looseWaiting -= batch.looseBytes;
    this.#free(batch.exchanges);
    batch.clear();
    if (this.#idle.length < IDLE_MAX) this.#idle.push(batch);
  }
}
