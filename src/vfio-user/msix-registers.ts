import type { MsixVectors } from "./msix-vectors.ts";

/** PCI Local Bus 3.0 §6.8.2. Table and pending bits have a page each: Cloud Hypervisor wants the table at one. */
export const MSIX_BAR_BYTES = 8192;
export const TABLE_AT = 0;
export const PENDING_AT = 4096;
export const VECTORS_MAX = 256;

const ENTRY_BYTES = 16;
const VECTOR_CONTROL = 12;
const MASKED = 1;

/** The registers of MSI-X. Clients keep a table of their own: this one is only remembered. */
export class MsixRegisters {
  readonly #vectors: MsixVectors;
  readonly #table: Uint8Array;

  constructor(vectors: MsixVectors) {
    this.#vectors = vectors;
    this.#table = new Uint8Array(vectors.count * ENTRY_BYTES);
    this.reset();
  }

  reset(): void {
    this.#table.fill(0);
    for (let at = VECTOR_CONTROL; at < this.#table.length; at += ENTRY_BYTES) this.#table[at] = MASKED;
  }

  read(offset: number): number {
    if (offset >= PENDING_AT) return this.#pending(8 * (offset - PENDING_AT));
    return this.#table[offset] ?? 0;
  }

  /** Pending bits can only be read. */
  write(offset: number, value: number): void {
    if (offset < this.#table.length) this.#table[offset] = value;
  }

  #pending(first: number): number {
    let bits = 0;
    for (let bit = 0; bit < 8; bit++) if (this.#vectors.isPending(first + bit)) bits |= 1 << bit;
    return bits;
  }
}
