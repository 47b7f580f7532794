import type { BufferPool } from "../usb/device.ts";
import { createUrb, TransferStatus, type Urb } from "../usb/urb.ts";
import type { AttachedDevice } from "./attached-device.ts";
import type { Endpoint } from "./endpoint.ts";
import { carriesData, highWord, lengthOf, typeOf } from "./trb.ts";
import type { TrbRing } from "./trb-ring.ts";

/** Tables that are larger than drivers need are let go. */
const KEPT_TRBS = 16;
const NO_BYTES = new Uint8Array(0);

/** One URB, or none, and the TRBs that it stands for: a TD, or for isochronous endpoints several. */
export class Transfer {
  readonly urb: Urb;
  /** Nothing once the endpoint has given it up. */
  endpoint: Endpoint | undefined;
  /** Four words of each TRB, and its address. */
  words = new Int32Array(4 * KEPT_TRBS);
  addresses = new Float64Array(KEPT_TRBS);
  count = 0;
  /** Where the TRBs of each TD begin. */
  readonly tds: number[] = [];
  /** Bytes of all TRBs. */
  bytes = 0;
  /** Bytes that moved before the endpoint was stopped in the midst of it. */
  resumed = 0;
  /** Memory of its data, and whose it is. */
  buffer: Uint8Array = NO_BYTES;
  memoryOf: BufferPool | undefined;
  heldTrbs = 0;
  /** Ended without the device, with this code; 0 if the device is asked. */
  refusal = 0;
  /** TRB that the refusal speaks of. */
  refusedAt = 0;
  /** The device is asked. */
  hasUrb = false;
  /** Isochronous TDs whose data is not in memory, a bit each. */
  faultyTds = 0;
  hasEnded = false;
  /** What was asked; nothing before that. */
  device: AttachedDevice | undefined;

  constructor(tag: number) {
    this.urb = createUrb(tag);
  }

  begin(endpoint: Endpoint): void {
    this.endpoint = endpoint;
    this.count = 0;
    this.tds.length = 0;
    this.bytes = 0;
    this.resumed = 0;
    this.refusal = 0;
    this.hasUrb = false;
    this.faultyTds = 0;
    this.hasEnded = false;
    this.device = undefined;
    const { urb } = this;
    urb.status = TransferStatus.ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    urb.packetCount = 0;
    urb.length = 0;
    urb.offset = 0;
    urb.flags = 0;
    urb.buffer = NO_BYTES;
  }

  /** Takes the TRB over that a ring has fetched. */
  append({ words, address }: TrbRing): void {
    if (this.count === this.addresses.length) this.#grow();
    this.words.set(words, 4 * this.count);
    this.addresses[this.count++] = address;
    if (carriesData(typeOf(words[3]!))) this.bytes += lengthOf(words[2]!);
  }

  /** Stands for a TRB that cannot be read. */
  appendNothing({ dequeue, cycle }: TrbRing): void {
    this.addresses[0] = dequeue;
    this.words.fill(0, 0, 4);
    this.words[3] = cycle;
    this.count = 1;
  }

  /** What it takes to hold its data: control reads may bring more than the guest has room for. */
  get bytesOfMemory(): number {
    return this.hasUrb ? Math.max(this.urb.length, this.bytes) : 0;
  }

  refuse(code: number, trb: number): void {
    this.refusal = code;
    this.refusedAt = trb;
  }

  has(type: number): boolean {
    for (let trb = 0; trb < this.count; trb++) if (this.type(trb) === type) return true;
    return false;
  }

  /** Ended without having been done. */
  get wasCancelled(): boolean {
    return this.hasUrb && this.refusal === 0 && this.urb.status === TransferStatus.cancelled;
  }

  /** Leaves out what had moved before the endpoint was stopped. */
  skipResumed(): void {
    this.urb.offset += this.resumed;
    this.urb.length -= this.resumed;
  }

  /** Forgets the TRBs from one on. */
  truncate(count: number): void {
    for (let i = count; i < this.count; i++) this.bytes -= this.dataLength(i);
    this.count = count;
  }

  type(trb: number): number {
    return typeOf(this.words[4 * trb + 3]!);
  }

  control(trb: number): number {
    return this.words[4 * trb + 3]!;
  }

  status(trb: number): number {
    return this.words[4 * trb + 2]!;
  }

  /** Bytes of the transfer's data that a TRB stands for. */
  dataLength(trb: number): number {
    return carriesData(this.type(trb)) ? lengthOf(this.status(trb)) : 0;
  }

  /** Its parameter as an address. */
  pointer(trb: number): number {
    return (this.words[4 * trb + 1]! >>> 0) * 0x1_0000_0000 + (this.words[4 * trb]! >>> 0);
  }

  low(trb: number): number {
    return this.addresses[trb]! | 0;
  }

  high(trb: number): number {
    return highWord(this.addresses[trb]!);
  }

  /** The TRB behind the last one of a TD. */
  tdEnd(td: number): number {
    return this.tds[td + 1] ?? this.count;
  }

  /** Leaves nothing behind that is large. */
  forget(): void {
    this.endpoint = undefined;
    this.device = undefined;
    this.memoryOf = undefined;
    this.heldTrbs = 0;
    if (this.addresses.length > KEPT_TRBS) {
      this.words = new Int32Array(4 * KEPT_TRBS);
      this.addresses = new Float64Array(KEPT_TRBS);
    }
    this.urb.buffer = NO_BYTES;
    this.buffer = NO_BYTES;
  }

  #grow(): void {
    const words = new Int32Array(2 * this.words.length);
    words.set(this.words);
    this.words = words;
    const addresses = new Float64Array(2 * this.addresses.length);
    addresses.set(this.addresses);
    this.addresses = addresses;
  }
}
