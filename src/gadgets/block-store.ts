/** A read or write that the store could not do. */
export interface BlockFailure {
  /** What happened, for a log. */
  readonly message: string;
}

/**
 * Where the blocks of a disk are kept. `done` runs once, inside the call or later. The memory handed over
 * belongs to the store until then. A disk has one call in progress at a time and asks within `blockCount`.
 */
export interface BlockStore {
  /** Bytes of one block: 512 or 4096. */
  readonly blockSize: number;
  readonly blockCount: number;
  readonly readOnly: boolean;
  /** Fills `target`, a whole number of blocks. */
  read(lba: number, target: Uint8Array, done: (failure?: BlockFailure) => void): void;
  /**
   * Fills `target`, a whole number of blocks, if nothing has to be waited for. False: it would have to be, or the read fails;
   * `target` may hold anything then.
   */
  readNow?(lba: number, target: Uint8Array): boolean;
  /** Keeps a copy of `source`, a whole number of blocks. It may be lost until `flush`. */
  write(lba: number, source: Uint8Array, done: (failure?: BlockFailure) => void): void;
  /** What was written before survives a loss of power. */
  flush(done: (failure?: BlockFailure) => void): void;
}
