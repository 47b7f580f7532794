/** Memory of the guest, as a function reaches it by DMA. */
export interface GuestMemory {
  /**
   * The bytes from `address` on, by the guest's bus addresses; nothing where there is no memory, where it cannot be written to and
   * `write` asks for that, where a range leaves its mapping, or while the function may not reach memory (bus master).
   * Good until `generation` changes: from then on nobody but the caller sees what is written there.
   */
  view(address: number, length: number, write: boolean): Uint8Array | undefined;
  readonly generation: number;
}
