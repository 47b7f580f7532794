import { Arena } from "../../linux/arena.ts";
import type { Libc } from "../../linux/libc.ts";
import { MemoryAddresses } from "../../linux/memory-address.ts";
import type { SystemError } from "../../linux/system-error.ts";
import { isIn, type TransferStatus, TransferType, type Urb, UrbFlag } from "../../usb/urb.ts";
import type { Part, PartTable } from "../part-table.ts";
import { ACCEPTED, type Transfer } from "../transfer.ts";
import { ENODEV, ENOMEM, endedStatus, refusedStatus } from "./errno-status.ts";
import { readPackets, writePackets, writeUrb } from "./urb-struct.ts";
import { UrbFlags, UrbType, UrbWord, USBDEVFS } from "./usbdevfs.ts";
import type { UsbfsCalls } from "./usbfs-calls.ts";

/** Room for a struct usbdevfs_urb, and behind it for its packets or for its bytes. */
const STRIDE = 2048;
const WORD = 4;
const OWN_AT = 64;

/** More in flight makes no device faster; further URBs wait for a free one. */
const KERNEL_URBS = 1024;
const REAP_AT = KERNEL_URBS * STRIDE;

const TYPES = {
  [TransferType.control]: UrbType.control,
  [TransferType.isochronous]: UrbType.isochronous,
  [TransferType.bulk]: UrbType.bulk,
  [TransferType.interrupt]: UrbType.interrupt,
} as const;

/** A struct usbdevfs_urb that the kernel has, or could have. */
export class KernelUrb implements Part {
  readonly address: number;
  /** The first word of the struct in the words of the table. */
  readonly word: number;
  readonly ownAddress: number;
  readonly ownAt: number;
  transfer: Transfer | undefined;
  isOwn = false;
  isDiscarded = false;
  firstPacket = 0;

  constructor(table: number, index: number) {
    this.address = table + index * STRIDE;
    this.word = (index * STRIDE) / WORD;
    this.ownAt = index * STRIDE + OWN_AT;
    this.ownAddress = table + this.ownAt;
  }
}

/** The structs of one open device node. */
export class KernelUrbs implements PartTable<KernelUrb, Pick<UsbfsCalls, "list">> {
  readonly bytes: Uint8Array;
  readonly ownBytes = STRIDE - OWN_AT;
  readonly #words: Int32Array;
  readonly #libc: Libc;
  readonly #arena: Arena;
  readonly #addresses: MemoryAddresses;
  readonly #low: number;
  readonly #all: KernelUrb[] = [];
  readonly #free: KernelUrb[] = [];
  #taken = 0;
  #fd = -1;
  #noMemory = (): void => {};

  private constructor(c: Libc, arena: Arena) {
    this.#libc = c;
    this.#arena = arena;
    this.#addresses = new MemoryAddresses(c);
    this.#low = arena.address % 2 ** 32;
    this.bytes = arena.bytes;
    this.#words = new Int32Array(arena.bytes.buffer, arena.bytes.byteOffset, arena.bytes.length / WORD);
  }

  static open(c: Libc): KernelUrbs | SystemError {
    const arena = Arena.anonymous((KERNEL_URBS + 1) * STRIDE);
    return arena instanceof Arena ? new KernelUrbs(c, arena) : arena;
  }

  /** `noMemory` runs when the kernel has none for a URB. */
  use(fd: number, noMemory: () => void): void {
    this.#fd = fd;
    this.#noMemory = noMemory;
  }

  get taken(): number {
    return this.#taken;
  }

  get all(): readonly KernelUrb[] {
    return this.#all;
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

  addressOf(bytes: Uint8Array): number {
    return this.#addresses.of(bytes);
  }

  submit(
    { address, word, firstPacket }: KernelUrb,
    urb: Urb,
    flags: number,
    buffer: number,
    length: number,
    packetCount: number,
  ): number {
    const { type } = urb;
    const endpoint = type === TransferType.control ? 0 : urb.endpoint;
    const bits = urbFlags(flags, urb.endpoint);
    if (packetCount > 0) writePackets(this.#words, word, urb, firstPacket, packetCount);
    writeUrb(this.#words, word, TYPES[type], endpoint, bits, buffer, length, packetCount);
    if (this.#libc.ioctl(this.#fd, USBDEVFS.SUBMITURB, address) >= 0) return ACCEPTED;
    const errno = this.#libc.errno();
    if (errno === ENOMEM) this.#noMemory();
    return refusedStatus(errno);
  }

  discard({ address }: KernelUrb, { list }: Pick<UsbfsCalls, "list">): void {
    list.ioctl(this.#fd, USBDEVFS.DISCARDURB, address);
  }

  reap(ended: (kernelUrb: KernelUrb) => void): boolean {
    const reapAddress = this.#arena.address + REAP_AT;
    // Until it has no more, also behind the last one: an event loop tells of a device that is gone only once.
    while (this.#libc.ioctl(this.#fd, USBDEVFS.REAPURBNDELAY, reapAddress) >= 0) ended(this.#reaped());
    return this.#libc.errno() !== ENODEV;
  }

  length({ word }: KernelUrb): number {
    return this.#words[word + UrbWord.bufferLength]!;
  }

  actualLength({ word }: KernelUrb): number {
    return this.#words[word + UrbWord.actualLength]!;
  }

  status({ word }: KernelUrb): TransferStatus {
    return endedStatus(this.#words[word + UrbWord.status]!);
  }

  readPackets({ word, firstPacket }: KernelUrb, urb: Urb): void {
    readPackets(this.#words, word, urb, firstPacket);
  }

  /** When the kernel has none. */
  close(): void {
    this.#arena.free();
  }

  /** The one that has ended; the lower half of its address is enough to know it. */
  #reaped(): KernelUrb {
    return this.#all[((this.#words[REAP_AT / WORD]! - this.#low) >>> 0) / STRIDE]!;
  }

  #grow(): KernelUrb | undefined {
    if (this.#all.length === KERNEL_URBS) return undefined;
    const kernelUrb = new KernelUrb(this.#arena.address, this.#all.length);
    this.#all.push(kernelUrb);
    return kernelUrb;
  }
}

function urbFlags(flags: number, endpoint: number): number {
  let bits = 0;
  if (flags & UrbFlag.shortNotOk && isIn(endpoint)) bits |= UrbFlags.SHORT_NOT_OK;
  if (flags & UrbFlag.isoAsap) bits |= UrbFlags.ISO_ASAP;
  if (flags & UrbFlag.zeroPacket && !isIn(endpoint)) bits |= UrbFlags.ZERO_PACKET;
  return bits;
}
