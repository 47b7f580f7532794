import { constants } from "node:os";
import { MappedFile } from "../linux/mapped-file.ts";
import { SystemError } from "../linux/system-error.ts";

/** Each costs a mapping, and a process may have 65,530 (vm.max_map_count). */
export const MAPS_MAX = 16384;

const PAGE = 4096;
const { EEXIST, EINVAL, ENOENT, ENOSPC } = constants.errno;

/** A range of bus addresses, of whole pages, as DMA_MAP tells of it. */
export interface DmaRange {
  readonly address: number;
  readonly length: number;
  readonly isWritable: boolean;
}

interface Mapping extends DmaRange {
  /** Nothing where the client keeps the memory to itself: a ROM, or memory that it does not share. */
  readonly file: MappedFile | undefined;
}

/** Which memory of the client stands at which bus address. Answers numbers of errors, 0 for none. */
export class DmaTable {
  /** By address. */
  readonly #mappings: Mapping[] = [];
  #found: Mapping | undefined;
  #isReachable = false;
  #generation = 0;

  /** Another number whenever views that were taken before are good no longer. */
  get generation(): number {
    return this.#generation;
  }

  get count(): number {
    return this.#mappings.length;
  }

  /** Whether the function may reach memory: bit Bus Master of its command register. */
  reach(isReachable: boolean): void {
    if (isReachable === this.#isReachable) return;
    this.#isReachable = isReachable;
    this.#generation++;
  }

  /**
   * The bytes from a bus address on; nothing where there is no memory, where it cannot be written to and `write` asks for that, where
   * the range leaves its mapping, or while the function may not reach memory. From the next generation on nobody but the
   * caller sees what is written there.
   */
  view(address: number, length: number, write: boolean): Uint8Array | undefined {
    if (!this.#isReachable) return undefined;
    const mapping = this.#at(address);
    if (mapping === undefined || (write && !mapping.isWritable)) return undefined;
    return mapping.file?.view(address - mapping.address, length);
  }

  /** `fd` is not needed afterwards. */
  map(range: DmaRange, fd: number | undefined, offset: number): number {
    const { address, length } = range;
    // Beyond that numbers are not exact.
    const isExact = address + length <= Number.MAX_SAFE_INTEGER && offset + length <= Number.MAX_SAFE_INTEGER;
    if (length === 0 || length % PAGE !== 0 || address % PAGE !== 0 || !isExact) return EINVAL;
    if (this.#mappings.length >= MAPS_MAX) return ENOSPC;
    const place = this.#placeOf(address);
    const [before, behind] = [this.#mappings[place - 1], this.#mappings[place]];
    if (before !== undefined && before.address + before.length > address) return EEXIST;
    if (behind !== undefined && behind.address < address + length) return EEXIST;
    const file = fd === undefined ? undefined : MappedFile.of(fd, offset, length, range.isWritable);
    if (file instanceof SystemError) return file.errno;
    this.#mappings.splice(place, 0, { ...range, file });
    this.#generation++;
    return 0;
  }

  /** The very range that was mapped. Who still looks at it sees memory that is nobody's. */
  unmap(address: number, length: number): number {
    const place = this.#placeOf(address);
    const mapping = this.#mappings[place];
    if (mapping?.address !== address || mapping.length !== length) return ENOENT;
    this.#mappings.splice(place, 1);
    this.#forget(mapping);
    return 0;
  }

  clear(): void {
    for (const mapping of this.#mappings.splice(0)) this.#forget(mapping);
  }

  #forget(mapping: Mapping): void {
    this.#found = undefined;
    this.#generation++;
    mapping.file?.free();
  }

  #at(address: number): Mapping | undefined {
    const found = this.#found;
    if (found !== undefined && address >= found.address && address - found.address < found.length) {
      return found;
    }
    const mapping = this.#mappings[this.#placeOf(address + 1) - 1];
    if (mapping === undefined || address - mapping.address >= mapping.length) return undefined;
    this.#found = mapping;
    return mapping;
  }

  /** The place of the first mapping that does not begin before an address. */
  #placeOf(address: number): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#mappings[middle]!.address < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
