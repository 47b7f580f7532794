/** What a function says that it is (PCI Local Bus 3.0 §6.2.1, §6.2.4). */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, sub-class and programming interface: 0x0c0330 is an xHCI controller. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

/** Memory registers at a base address register of 64 bits. */
export interface PciBar {
  /** 0, 2 or 4: it takes the next one, too. */
  readonly index: number;
  /** A power of two, one page at least. */
  readonly size: number;
}

/** Bytes of an access. The server cuts others into these, the lower half of eight bytes first. */
export type AccessSize = 1 | 2 | 4;

/**
 * A PCI function as this room needs it. Configuration space, MSI-X and memory are the server's. No call may throw, whatever the
 * guest asks for, and none may do long work: a client that waits for an answer waits for it, too.
 */
export interface PciDevice {
  readonly identity: PciIdentity;
  readonly bars: readonly PciBar[];
  /** MSI-X vectors, 1 at least. */
  readonly vectors: number;
  /** Bytes of configuration space that the class defines, by their offset from 0x40 on; the guest can only read them. */
  readonly configuration: ReadonlyMap<number, number>;

  /** Unsigned. `offset` is within the BAR and a multiple of `size`. */
  read(bar: number, offset: number, size: AccessSize): number;
  /** Work that a register starts is done later, from a loop. */
  write(bar: number, offset: number, size: AccessSize, value: number): void;
  /** To the state after power-on: also when the client is gone. */
  reset(): void;
  /**
   * Views that were taken before show other memory than the guest's, and refusals may be outdated. Behind `taken` some of the same
   * memory may be given back at once: a client changes one piece by taking away what lies around it.
   */
  memoryChanged(change: "given" | "taken"): void;
}
