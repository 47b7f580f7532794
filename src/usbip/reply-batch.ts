import type { Exchange } from "./exchange.ts";

/** What a batch remembers of the last time. */
const KEPT_CHUNKS = 128;
const NO_MEMORY = new Uint8Array(0);

/**
 * Replies that leave together, and what becomes free when they have left. Those that stand side by side in memory
 * leave in one chunk: a link spends more on a chunk than on the bytes in it. A batch is used again after it has left.
 */
export class ReplyBatch {
  /** What is to be sent; complete after `seal`. Steady traffic sends the same views of memory each time. */
  readonly chunks: Uint8Array[] = [];
  /** The memory of each of them. */
  readonly #memories: Uint8Array[] = [];
  #count = 0;
  /** The first of the exchanges that are free when the batch has left. */
  exchanges: Exchange | undefined;
  /** Bytes of answers that belong to no exchange. */
  looseBytes = 0;
  /** Runs when the link has taken the batch. */
  readonly left: () => void;
  /** The replies that are in no chunk yet: they stand side by side, and the memory of the last one ends at `#end`. */
  #memory: Uint8Array = NO_MEMORY;
  #from = 0;
  #to = 0;
  #end = 0;

  constructor(left: (batch: ReplyBatch) => void) {
    this.left = () => left(this);
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#to === this.#from;
  }

  /** The reply of an exchange, which has written it. */
  add(exchange: Exchange): void {
    const { memory, at, replyLength } = exchange;
    if (memory === this.#memory && at === this.#end) {
      // The one before was shorter than its memory.
      if (this.#to < at) memory.copyWithin(this.#to, at, at + replyLength);
      this.#to += replyLength;
    } else {
      this.#cut();
      this.#memory = memory;
      this.#from = at;
      this.#to = at + replyLength;
    }
    this.#end = at + exchange.size;
    if (exchange.lentLength > 0) {
      const { buffer, offset } = exchange.urb;
      this.#cut();
      this.#put(buffer, offset, offset + exchange.lentLength);
    }
    exchange.next = this.exchanges;
    this.exchanges = exchange;
  }

  addLoose(bytes: Uint8Array): void {
    this.#cut();
    this.#put(bytes, 0, bytes.length);
    this.looseBytes += bytes.length;
  }

  /** Ends the batch: nothing is added until it has left. */
  seal(): void {
    this.#cut();
    if (this.chunks.length > this.#count) this.chunks.length = this.#count;
  }

  /** Makes the batch as good as new. */
  clear(): void {
    this.exchanges = undefined;
    this.looseBytes = 0;
    this.#count = 0;
    if (this.chunks.length > KEPT_CHUNKS) this.forget();
  }

  /** Lets go of memory that was given back. */
  forget(): void {
    this.chunks.length = 0;
    this.#memories.length = 0;
  }

  #cut(): void {
    if (this.#to > this.#from) this.#put(this.#memory, this.#from, this.#to);
    this.#memory = NO_MEMORY;
    this.#from = 0;
    this.#to = 0;
    this.#end = 0;
  }

  #put(memory: Uint8Array, from: number, to: number): void {
    const place = this.#count++;
    const last = this.chunks[place];
    const isSame =
      memory === this.#memories[place] &&
      last?.byteOffset === memory.byteOffset + from &&
      last.length === to - from;
    if (isSame) return;
    this.chunks[place] = memory.subarray(from, to);
    this.#memories[place] = memory;
  }
}
