import type { GuestMemory } from "../../src/xhci/guest-memory.ts";

interface Mapping {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly writable: boolean;
}

/** Memory of a guest, in mappings that come and go. */
export class GuestPages implements GuestMemory {
  #mappings: Mapping[] = [];
  #generation = 0;
  /** Looks at memory that are left: who walks in circles is to be found out. */
  looks = Number.POSITIVE_INFINITY;

  /** Every look at memory begins with it. */
  get generation(): number {
    if (--this.looks < 0) throw new Error("memory is looked at without end");
    return this.#generation;
  }

  map(address: number, bytes: Uint8Array, writable = true): void {
    this.#mappings.push({ address, bytes, writable });
    this.#generation++;
  }

  unmap(address: number): void {
    this.#mappings = this.#mappings.filter((mapping) => mapping.address !== address);
    this.#generation++;
  }

  view(address: number, length: number, write: boolean): Uint8Array | undefined {
    for (const mapping of this.#mappings) {
      const at = address - mapping.address;
      if (at < 0 || at + length > mapping.bytes.length || (write && !mapping.writable)) continue;
      return mapping.bytes.subarray(at, at + length);
    }
    return undefined;
  }
}
