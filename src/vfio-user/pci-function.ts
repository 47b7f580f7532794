import assert from "node:assert/strict";
import { CONFIG_BYTES, ConfigSpace } from "./config-space.ts";
import type { DmaRange, DmaTable } from "./dma-table.ts";
import { RegionIndex } from "./messages.ts";
import { MSIX_BAR_BYTES, MsixRegisters, VECTORS_MAX } from "./msix-registers.ts";
import type { MsixVectors } from "./msix-vectors.ts";
import type { AccessSize, PciBar, PciDevice } from "./pci-device.ts";

/** BARs with an even index, since those of functions have 64 bits. */
const BAR_PLACES = [0, 2, 4];

/**
 * A function as its regions show it: the registers of a device, those of MSI-X in a BAR of their own, and configuration space.
 * Whether a BAR is decoded is the client's business, which maps it.
 */
export class PciFunction {
  readonly memory: DmaTable;
  readonly vectors: MsixVectors;
  /** Accesses to regions: those that a processor of the guest waited for, and those that were posted. */
  readonly accesses = { answered: 0, posted: 0 };
  readonly #device: PciDevice;
  readonly #bars: ReadonlyMap<number, PciBar>;
  readonly #msixBar: number;
  readonly #msix: MsixRegisters;
  readonly #config: ConfigSpace;

  /** `device` reaches memory and interrupts by the same two objects. */
  constructor(device: PciDevice, memory: DmaTable, vectors: MsixVectors) {
    assert(device.vectors === vectors.count && vectors.count >= 1 && vectors.count <= VECTORS_MAX);
    this.memory = memory;
    this.vectors = vectors;
    this.#device = device;
    this.#bars = new Map(device.bars.map((bar) => [bar.index, bar]));
    const free = BAR_PLACES.find((index) => !this.#bars.has(index));
    assert(free !== undefined, "MSI-X needs a BAR");
    this.#msixBar = free;
    this.#msix = new MsixRegisters(vectors);
    this.#config = new ConfigSpace(device, free);
  }

  /** 0 where there is nothing. */
  regionBytes(region: number): number {
    if (region === RegionIndex.config) return CONFIG_BYTES;
    return region === this.#msixBar ? MSIX_BAR_BYTES : (this.#bars.get(region)?.size ?? 0);
  }

  has(region: number, offset: number, count: number): boolean {
    return offset + count <= this.regionBytes(region);
  }

  /** The region has these bytes. */
  read(region: number, offset: number, count: number, into: Uint8Array, at: number): void {
    if (region === RegionIndex.config) {
      for (let i = 0; i < count; i++) into[at + i] = this.#config.read(offset + i);
    } else if (region === this.#msixBar) {
      for (let i = 0; i < count; i++) into[at + i] = this.#msix.read(offset + i);
    } else {
      for (let i = 0; i < count; ) {
        const size = pieceOf(offset + i, count - i);
        const value = this.#device.read(region, offset + i, size);
        for (let byte = 0; byte < size; byte++) into[at + i + byte] = value >>> (8 * byte);
        i += size;
      }
    }
  }

  /** The region has these bytes. */
  write(region: number, offset: number, count: number, from: Uint8Array, at: number): void {
    if (region === RegionIndex.config) {
      for (let i = 0; i < count; i++) this.#config.write(offset + i, from[at + i]!);
      this.#reach();
    } else if (region === this.#msixBar) {
      for (let i = 0; i < count; i++) this.#msix.write(offset + i, from[at + i]!);
    } else {
      for (let i = 0; i < count; ) {
        const size = pieceOf(offset + i, count - i);
        let value = 0;
        for (let byte = size - 1; byte >= 0; byte--) value = ((value << 8) | from[at + i + byte]!) >>> 0;
        this.#device.write(region, offset + i, size, value);
        i += size;
      }
    }
  }

  map(range: DmaRange, fd: number | undefined, offset: number): number {
    const error = this.memory.map(range, fd, offset);
    if (error === 0) this.#device.memoryChanged("given");
    return error;
  }

  unmap(address: number, length: number): number {
    const error = this.memory.unmap(address, length);
    if (error === 0) this.#device.memoryChanged("taken");
    return error;
  }

  unmapAll(): void {
    this.memory.clear();
    this.#device.memoryChanged("taken");
  }

  /** Memory and interrupts remain the client's. */
  reset(): void {
    this.#config.reset();
    this.#msix.reset();
    this.#device.reset();
    this.vectors.reset();
    this.#reach();
  }

  /** The client is gone. */
  abandon(): void {
    this.reset();
    this.vectors.disable();
    this.unmapAll();
  }

  #reach(): void {
    const { generation } = this.memory;
    this.memory.reach(this.#config.isBusMaster);
    if (this.memory.generation !== generation) this.#device.memoryChanged("given");
  }
}

/** The largest access that is aligned, and within. */
function pieceOf(offset: number, left: number): AccessSize {
  if (left >= 4 && offset % 4 === 0) return 4;
  return left >= 2 && offset % 2 === 0 ? 2 : 1;
}
