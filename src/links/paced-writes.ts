import type { Socket } from "node:net";
import { Outgoing } from "./outgoing.ts";

/** Hands a socket of Node a few bytes at a time, and the next when those have left: Node puts together what it is given. */
export class PacedWrites {
  readonly #socket: Socket;
  readonly #writeBytes: number;
  #oldest: Outgoing | undefined;
  #youngest: Outgoing | undefined;
  #isSending = false;
  #isEnded = false;

  constructor(socket: Socket, writeBytes: number) {
    this.#socket = socket;
    this.#writeBytes = writeBytes;
  }

  /** Nothing more is taken. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** There has to be a chunk. `written` never runs inside. */
  write(chunks: readonly Uint8Array[], written: () => void): void {
    const outgoing = new Outgoing();
    outgoing.begin(chunks, written);
    if (this.#youngest === undefined) this.#oldest = outgoing;
    else this.#youngest.next = outgoing;
    this.#youngest = outgoing;
    this.#next();
  }

  /** Ends the socket behind what was written. */
  end(): void {
    this.#isEnded = true;
    this.#next();
  }

  #next(): void {
    if (this.#isSending) return;
    if (this.#oldest !== undefined) this.#send(this.#oldest);
    else if (this.#isEnded) this.#socket.end();
  }

  #send(outgoing: Outgoing): void {
    this.#isSending = true;
    const pieces = this.#piecesOf(outgoing);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const last = pieces.length - 1;
    const sent = (failed?: Error | null): void => this.#sent(outgoing, bytes, failed);
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!);
    this.#socket.write(pieces[last]!, sent);
    this.#socket.uncork();
  }

  #piecesOf({ chunks, first, offset }: Outgoing): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let left = this.#writeBytes;
    for (let i = first, from = offset; i < chunks.length && left > 0; i++, from = 0) {
      const piece = chunks[i]!.subarray(from, from + left);
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces;
  }

  #sent(outgoing: Outgoing, bytes: number, failed: Error | null | undefined): void {
    this.#isSending = false;
    if (failed) {
      while (this.#oldest !== undefined) this.#dequeue(this.#oldest);
      return;
    }
    if (outgoing.advance(bytes)) this.#dequeue(outgoing);
    this.#next();
  }

  #dequeue(outgoing: Outgoing): void {
    const { written } = outgoing;
    this.#oldest = outgoing.next;
    if (this.#oldest === undefined) this.#youngest = undefined;
    outgoing.clear();
    written();
  }
}
