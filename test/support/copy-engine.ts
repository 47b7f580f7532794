import type { DmaTable } from "../../src/vfio-user/dma-table.ts";
import type { MsixVectors } from "../../src/vfio-user/msix-vectors.ts";
import type { AccessSize, PciDevice } from "../../src/vfio-user/pci-device.ts";

/** Registers of 32 bits, and a memory behind them that is written and read byte by byte. */
export const SOURCE = 0x00;
export const TARGET = 0x08;
export const LENGTH = 0x10;
/** A write begins to copy: the value is the vector that is raised when it is done. */
export const START = 0x14;
/** 1: the last copy was done; 2: some of its memory was not there. */
export const RESULT = 0x18;
export const RESETS = 0x1c;
export const SCRATCH = 0x100;

const BAR_BYTES = 0x1000;

/** A PCI function that copies within the guest's memory. */
export class CopyEngine implements PciDevice {
  readonly identity = {
    vendor: 0x1234,
    device: 0x5678,
    revision: 0x9a,
    classCode: 0xbcdef0,
    subsystemVendor: 0x1112,
    subsystem: 0x1314,
  };
  readonly bars = [{ index: 0, size: BAR_BYTES }];
  readonly vectors = 3;
  readonly configuration = new Map([[0x60, 0x30]]);
  /** Copies that are due: they are made when the loop comes to it. */
  readonly #soon: (callback: () => void) => void;
  readonly #memory: DmaTable;
  readonly #vectors: MsixVectors;
  readonly #registers = new DataView(new ArrayBuffer(BAR_BYTES));
  resets = 0;
  changes = 0;

  constructor(memory: DmaTable, vectors: MsixVectors, soon: (callback: () => void) => void) {
    this.#memory = memory;
    this.#vectors = vectors;
    this.#soon = soon;
  }

  read(_bar: number, offset: number, size: AccessSize): number {
    switch (size) {
      case 1:
        return this.#registers.getUint8(offset);
      case 2:
        return this.#registers.getUint16(offset, true);
      case 4:
        return offset === RESETS ? this.resets : this.#registers.getUint32(offset, true);
    }
  }

  write(_bar: number, offset: number, size: AccessSize, value: number): void {
    switch (size) {
      case 1:
        this.#registers.setUint8(offset, value);
        return;
      case 2:
        this.#registers.setUint16(offset, value, true);
        return;
      case 4:
        this.#registers.setUint32(offset, value, true);
        if (offset === START) this.#soon(() => this.#copy(value));
    }
  }

  reset(): void {
    this.resets++;
    for (let at = 0; at < BAR_BYTES; at++) this.#registers.setUint8(at, 0);
  }

  memoryChanged(): void {
    this.changes++;
  }

  #copy(vector: number): void {
    const length = this.#registers.getUint32(LENGTH, true);
    const source = this.#memory.view(this.#address(SOURCE), length, false);
    const target = this.#memory.view(this.#address(TARGET), length, true);
    if (source !== undefined && target !== undefined) target.set(source);
    this.#registers.setUint32(RESULT, source !== undefined && target !== undefined ? 1 : 2, true);
    this.#vectors.raise(vector);
  }

  #address(register: number): number {
    const high = this.#registers.getUint32(register + 4, true);
    return high * 2 ** 32 + this.#registers.getUint32(register, true);
  }
}
