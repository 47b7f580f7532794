import { copyBytes } from "../wire/copy-bytes.ts";

/** Words in front of the blocks. */
const HEAD = 0;
const TAIL = 1;
/** Where the blocks end that stand behind the tail, while the head is in front of it. */
const END = 2;
const KEPT = 3;
const DROPPED = 4;
const WORDS = 8;

/**
 * Blocks on their way from the loop that records them to the one that writes them out, which may be of another thread: one
 * writer, one reader, in shared memory. The writer never waits: what finds no room is counted and lost.
 */
export class PacketRing {
  readonly block: SharedArrayBuffer;
  /** Where reserved blocks are written. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #words: Int32Array;
  #reserved = 0;

  /** A new ring of so many bytes, or the other side of one. */
  constructor(memory: number | SharedArrayBuffer) {
    const head = WORDS * Int32Array.BYTES_PER_ELEMENT;
    this.block = typeof memory === "number" ? new SharedArrayBuffer(head + memory) : memory;
    this.#words = new Int32Array(this.block, 0, WORDS);
    this.bytes = new Uint8Array(this.block, head);
    this.view = new DataView(this.block, head);
  }

  /** Writer: a place for one block in one piece, or -1 if there is none, and it counts as lost. `commit` follows. */
  reserve(length: number): number {
    const head = this.#words[HEAD]!;
    const tail = Atomics.load(this.#words, TAIL);
    let at = head;
    // The head never reaches the tail from behind: that would look like an empty ring.
    if (head >= tail && head + length > this.bytes.length) {
      if (length >= tail) return this.#drop();
      this.#words[END] = head;
      at = 0;
    } else if (head < tail && head + length >= tail) return this.#drop();
    this.#reserved = at + length;
    return at;
  }

  /** Writer: what was reserved can be read. */
  commit(): void {
    this.#words[KEPT]! += 1;
    Atomics.store(this.#words, HEAD, this.#reserved);
  }

  /** Reader: copies out what is there, in one or two pieces. */
  read(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const head = Atomics.load(this.#words, HEAD);
    const tail = this.#words[TAIL]!;
    if (head < tail) {
      this.#copy(pieces, tail, this.#words[END]!);
      this.#copy(pieces, 0, head);
    } else this.#copy(pieces, tail, head);
    Atomics.store(this.#words, TAIL, head);
    return pieces;
  }

  /** Packets that were committed, and lost, since the beginning. */
  get kept(): number {
    return Atomics.load(this.#words, KEPT) >>> 0;
  }

  get dropped(): number {
    return Atomics.load(this.#words, DROPPED) >>> 0;
  }

  #copy(pieces: Uint8Array[], from: number, to: number): void {
    if (from === to) return;
    // Sockets and files take no shared memory.
    const piece = new Uint8Array(to - from);
    copyBytes(this.bytes, from, piece.length, piece, 0);
    pieces.push(piece);
  }

  #drop(): number {
    this.#words[DROPPED]! += 1;
    return -1;
  }
}
