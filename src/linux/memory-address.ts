import type { Libc } from "./libc.ts";

/**
 * Where bytes are in memory, as numbers: 2^53 is far beyond what a process has. The memory of a buffer stays
 * where it is as long as somebody has the buffer; each is looked up once.
 */
export class MemoryAddresses {
  readonly #libc: Pick<Libc, "address">;
  readonly #known = new WeakMap<ArrayBufferLike, number>();

  constructor(libc: Pick<Libc, "address">) {
    this.#libc = libc;
  }

  /** Valid while the caller has `bytes`. */
  of(bytes: Uint8Array | Uint32Array): number {
    const { buffer } = bytes;
    let address = this.#known.get(buffer);
    if (address === undefined) {
      address = Number(this.#libc.address(buffer));
      this.#known.set(buffer, address);
    }
    return address + bytes.byteOffset;
  }
}
