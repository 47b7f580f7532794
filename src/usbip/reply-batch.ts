import type { Exchange } from "./exchange.ts";

/** Holds the answers of 32 bulk transfers of 512 bytes, twice over. */
const PAGE_BYTES = 32 << 10;
/** Up to here copying an answer is cheaper than handing it to the link as a chunk of its own. */
const COPIED_MAX = 4 << 10;

/**
 * Replies that leave together, and what becomes free when they have left. Small ones are copied into pages: a
 * link spends more on each chunk than on the bytes in it. A batch is used again after it has left.
 */
export class ReplyBatch {
  /** What is to be sent; complete after `seal`. */
  readonly chunks: Uint8Array[] = [];
  /** The first of the exchanges that are free when the batch has left. */
  exchanges: Exchange | undefined;
  /** Bytes of answers that belong to no exchange. */
  looseBytes = 0;
  /** Runs when the link has taken the batch. */
  readonly left: () => void;
  /** Nothing: every answer is a chunk of its own. */
  #page: Uint8Array | undefined;
  /** Bytes of the page that are used, and from where on they are in no chunk yet. */
  #used = 0;
  #from = 0;
  /** The last piece of the page that was sent. Steady traffic sends the same piece again. */
  #piece: Uint8Array = new Uint8Array(0);

  /** A batch without pages costs a peer that does not read nothing but the answers themselves. */
  constructor(hasPages: boolean, left: (batch: ReplyBatch) => void) {
    if (hasPages) this.#page = new Uint8Array(PAGE_BYTES);
    this.left = () => left(this);
  }

  get hasPages(): boolean {
    return this.#page !== undefined;
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0 && this.#used === this.#from;
  }

  addReply(bytes: Uint8Array, exchange: Exchange): void {
    this.#add(bytes);
    exchange.next = this.exchanges;
    this.exchanges = exchange;
  }

  addLoose(bytes: Uint8Array): void {
    this.#add(bytes);
    this.looseBytes += bytes.length;
  }

  /** Ends the batch: nothing is added until it has left. */
  seal(): void {
    if (this.#page === undefined || this.#used === this.#from) return;
    if (this.#piece.byteOffset !== this.#from || this.#piece.length !== this.#used - this.#from) {
      this.#piece = this.#page.subarray(this.#from, this.#used);
    }
    this.chunks.push(this.#piece);
    this.#from = this.#used;
  }

  /** Makes the batch as good as new. */
  clear(): void {
    this.chunks.length = 0;
    this.exchanges = undefined;
    this.looseBytes = 0;
    this.#used = 0;
    this.#from = 0;
  }

  #add(bytes: Uint8Array): void {
    if (this.#page === undefined || bytes.length > COPIED_MAX) {
      this.seal();
      this.chunks.push(bytes);
      return;
    }
    if (this.#used + bytes.length > this.#page.length) this.#turnPage();
    this.#page.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** The old one stays in a chunk until the batch has left. */
  #turnPage(): void {
    this.seal();
    this.#page = new Uint8Array(PAGE_BYTES);
    this.#piece = new Uint8Array(0);
    this.#used = 0;
    this.#from = 0;
  }
}
