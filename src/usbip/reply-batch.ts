import type { Exchange } from "./exchange.ts";

/** Replies that leave together, and what becomes free when they have left. */
export class ReplyBatch {
  chunks: Uint8Array[] = [];
  /** Exchanges whose buffers the chunks stand in. */
  exchanges: Exchange[] = [];
  /** Bytes of chunks that belong to no exchange. */
  looseBytes = 0;

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  addReply(bytes: Uint8Array, exchange: Exchange): void {
    this.chunks.push(bytes);
    this.exchanges.push(exchange);
  }

  addLoose(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.looseBytes += bytes.length;
  }
}
