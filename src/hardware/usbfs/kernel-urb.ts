import { Arena } from "../../linux/arena.ts";
import type { SystemError } from "../../linux/system-error.ts";
import type { Transfer } from "./transfer.ts";

/** Room for a struct usbdevfs_urb, and behind it for its packets or for its bytes. */
const STRIDE = 2048;
const WORD = 4;
const OWN_AT = 64;

/** Bytes that fit behind the struct. */
export const OWN_BYTES = STRIDE - OWN_AT;

/** More in flight makes no device faster; further URBs wait for a free one. */
const KERNEL_URBS = 1024;
const REAP_AT = KERNEL_URBS * STRIDE;

/** A struct usbdevfs_urb that the kernel has, or could have. */
export class KernelUrb {
  readonly address: number;
  /** The first word of the struct in the words of the table. */
  readonly word: number;
  /** Where its own bytes are: in memory, and in the bytes of the table. */
  readonly ownAddress: number;
  readonly ownAt: number;
  /** What it is part of, while the kernel has it. */
  transfer: Transfer | undefined;
  /** The kernel reads and writes its own bytes. */
  isOwn = false;
  /** The kernel was asked to end it early. */
  isDiscarded = false;
  /** Isochronous: the first packet of the transfer that is in here. */
  firstPacket = 0;

  constructor(table: number, index: number) {
    this.address = table + index * STRIDE;
    this.word = (index * STRIDE) / WORD;
    this.ownAt = index * STRIDE + OWN_AT;
    this.ownAddress = table + this.ownAt;
  }
}

/** The structs of one device, in memory that stays where it is. */
export class KernelUrbs {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Where the kernel writes the address of one that has ended. */
  readonly reapAddress: number;
  readonly #arena: Arena;
  readonly #low: number;
  readonly #all: KernelUrb[] = [];
  readonly #free: KernelUrb[] = [];
  #taken = 0;

  private constructor(arena: Arena) {
    this.#arena = arena;
    this.#low = arena.address % 2 ** 32;
    this.reapAddress = arena.address + REAP_AT;
    this.bytes = arena.bytes;
    this.words = new Int32Array(arena.bytes.buffer, arena.bytes.byteOffset, arena.bytes.length / WORD);
  }

  static open(): KernelUrbs | SystemError {
    const arena = Arena.anonymous((KERNEL_URBS + 1) * STRIDE);
    return arena instanceof Arena ? new KernelUrbs(arena) : arena;
  }

  /** How many the kernel has. */
  get taken(): number {
    return this.#taken;
  }

  take(): KernelUrb | undefined {
    const kernelUrb = this.#free.pop() ?? this.#grow();
    if (kernelUrb !== undefined) this.#taken++;
    return kernelUrb;
  }

  give(kernelUrb: KernelUrb): void {
    kernelUrb.transfer = undefined;
    this.#free.push(kernelUrb);
    this.#taken--;
  }

  /** The one that has ended; the lower half of its address is enough to know it. */
  reaped(): KernelUrb {
    return this.#all[((this.words[REAP_AT / WORD]! - this.#low) >>> 0) / STRIDE]!;
  }

  /** Every one there has been; those the kernel has have a transfer. */
  get all(): readonly KernelUrb[] {
    return this.#all;
  }

  /** When the kernel has none. */
  close(): void {
    this.#arena.free();
  }

  #grow(): KernelUrb | undefined {
    if (this.#all.length === KERNEL_URBS) return undefined;
    const kernelUrb = new KernelUrb(this.#arena.address, this.#all.length);
    this.#all.push(kernelUrb);
    return kernelUrb;
  }
}
