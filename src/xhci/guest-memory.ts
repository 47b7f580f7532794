/**
 * Memory of a guest, as its devices see it. Mappings begin and end on pages of 4 KiB, and lie in our memory at least as
 * aligned as a word. Addresses are bus addresses below 2^53; nothing is mapped above.
 */
export interface GuestMemory {
  /**
   * A view of `length` bytes from `address`, valid until the generation changes. Nothing where they are not mapped, or
   * cross mappings; for `write` nothing either where the guest lets its devices only read.
   */
  view(address: number, length: number, write: boolean): Uint8Array | undefined;
  /** Another number whenever mappings have come or gone. */
  readonly generation: number;
}

/** The interrupts of a device: MSI-X vectors. */
export interface InterruptLine {
  raise(vector: number): void;
}
