import { MemoryAddresses } from "../../linux/memory-address.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../../usb/urb.ts";
import type { Part, PartTable } from "../part-table.ts";
import { ACCEPTED, type Transfer } from "../transfer.ts";
import { LibusbStatus, PACKET_BYTES, TRANSFER_BYTES, TransferField } from "./abi.ts";
import type { DeviceNode } from "./device-node.ts";
import { endedStatus, refusedStatus } from "./error-status.ts";
import type { EventHandling } from "./event-handling.ts";
import type { Libusb } from "./library.ts";
import type { LibusbCalls } from "./libusb-calls.ts";
import { MAX_PACKETS, PENDING, readPackets, writePackets, writeTransfer } from "./transfer-struct.ts";

/** Own bytes of a transfer: setup packet and data of most control requests, or a few bytes of data. */
const OWN_BYTES = 2048;
/** More in flight makes no device faster; further URBs wait for a free one. */
const TRANSFERS = 1024;
const LOW = 2 ** 32;

/** A struct libusb_transfer that libusb has, or could have. It calls nobody: that it has ended is seen in the struct. */
export class FlyingTransfer implements Part {
  readonly address: number;
  readonly words: Int32Array;
  readonly ownAddress: number;
  readonly ownAt: number;
  readonly hasPackets: boolean;
  transfer: Transfer | undefined;
  isOwn = false;
  isDiscarded = false;
  firstPacket = 0;

  constructor(address: number, words: Int32Array, own: number, index: number, hasPackets: boolean) {
    this.address = address;
    this.words = words;
    this.ownAt = index * OWN_BYTES;
    this.ownAddress = own + this.ownAt;
    this.hasPackets = hasPackets;
  }

  /** libusb is done with it. */
  get isEnded(): boolean {
    return (
      this.words[TransferField.status / 4] !== PENDING &&
      this.words[TransferField.actualLength / 4] !== PENDING
    );
  }
}

/** The transfers of one open device. They are freed when libusb has none of them. */
export class FlyingTransfers implements PartTable<FlyingTransfer, LibusbCalls> {
  readonly bytes = new Uint8Array(TRANSFERS * OWN_BYTES);
  readonly ownBytes = OWN_BYTES;
  readonly #libusb: Libusb;
  readonly #handle: number;
  readonly #events: EventHandling;
  readonly #node: DeviceNode;
  readonly #noMemory: () => void;
  readonly #addresses: MemoryAddresses;
  readonly #all: FlyingTransfer[] = [];
  readonly #free: { readonly plain: FlyingTransfer[]; readonly isochronous: FlyingTransfer[] } = {
    plain: [],
    isochronous: [],
  };
  /** Those that libusb has, in the order in which it was given them. */
  readonly #flying: FlyingTransfer[] = [];
  readonly #ended: FlyingTransfer[] = [];
  #taken = 0;
  #isHungUp = false;

  /** `noMemory` runs when the system has none for a transfer. */
  constructor(
    library: Libusb,
    handle: number,
    events: EventHandling,
    node: DeviceNode,
    noMemory: () => void,
  ) {
    this.#libusb = library;
    this.#handle = handle;
    this.#events = events;
    this.#node = node;
    this.#noMemory = noMemory;
    this.#addresses = new MemoryAddresses(library.memory);
  }

  get taken(): number {
    return this.#taken;
  }

  get all(): readonly FlyingTransfer[] {
    return this.#all;
  }

  take(packetCount: number): FlyingTransfer | undefined {
    const hasPackets = packetCount > 0;
    const flying = this.#free[hasPackets ? "isochronous" : "plain"].pop() ?? this.#grow(hasPackets);
    if (flying !== undefined) this.#taken++;
    return flying;
  }

  give(flying: FlyingTransfer): void {
    flying.transfer = undefined;
    this.#free[flying.hasPackets ? "isochronous" : "plain"].push(flying);
    this.#taken--;
  }

  addressOf(bytes: Uint8Array): number {
    return this.#addresses.of(bytes);
  }

  submit(
    flying: FlyingTransfer,
    urb: Urb,
    flags: number,
    buffer: number,
    length: number,
    packetCount: number,
  ): number {
    const { type, endpoint } = urb;
    const address = type === TransferType.control ? 0 : endpoint;
    const hasZeroPacket = (flags & UrbFlag.zeroPacket) !== 0 && !isIn(endpoint) && type === TransferType.bulk;
    writeTransfer(flying.words, type, address, hasZeroPacket, buffer, length, packetCount);
    if (packetCount > 0) writePackets(flying.words, urb, flying.firstPacket, packetCount);
    const code = this.#libusb.submitTransfer(flying.address);
    if (code === 0) {
      this.#flying.push(flying);
      return ACCEPTED;
    }
    const status = refusedStatus(code);
    if (status === TransferStatus.noMemory) this.#noMemory();
    return status;
  }

  discard({ address }: FlyingTransfer, calls: LibusbCalls): void {
    calls.cancelTransfer(address);
  }

  reap(tell: (flying: FlyingTransfer) => void): boolean {
    if (!this.#events.handle()) return true;
    const [flying, ended] = [this.#flying, this.#ended];
    let kept = 0;
    let isShort = false;
    for (const each of flying) {
      if (each.isEnded) {
        ended.push(each);
        isShort ||= !isWhole(each);
      } else flying[kept++] = each;
    }
    flying.length = kept;
    const isGone = ended.length === 0 && this.#node.isForgotten;
    this.#isHungUp ||= isShort && this.#node.isHungUp;
    for (const each of ended) tell(each);
    ended.length = 0;
    return !isGone;
  }

  length({ words }: FlyingTransfer): number {
    return words[TransferField.length / 4]!;
  }

  actualLength({ words }: FlyingTransfer): number {
    return words[TransferField.actualLength / 4]!;
  }

  status(flying: FlyingTransfer): TransferStatus {
    // Linux ends what a device that goes has not done as if it were cancelled, and libusb takes that for done.
    if (this.#isHungUp && !isWhole(flying)) return TransferStatus.disconnected;
    return endedStatus(flying.words[TransferField.status / 4]!);
  }

  readPackets({ words, firstPacket, transfer }: FlyingTransfer, urb: Urb): void {
    readPackets(words, urb, firstPacket, transfer!.isCancelled || this.#isHungUp);
  }

  /** When libusb has none. */
  close(): void {
    for (const { address } of this.#all.splice(0)) this.#libusb.freeTransfer(address);
    this.#free.plain.length = 0;
    this.#free.isochronous.length = 0;
  }

  #grow(hasPackets: boolean): FlyingTransfer | undefined {
    const { length } = this.#all;
    if (length === TRANSFERS) return undefined;
    const packets = hasPackets ? MAX_PACKETS : 0;
    const address = this.#libusb.allocTransfer(packets);
    if (address === 0) return undefined;
    const words = new Int32Array(this.#libusb.memory.view(address, TRANSFER_BYTES + packets * PACKET_BYTES));
    put(words, TransferField.devHandle, this.#handle);
    put(words, TransferField.callback, this.#libusb.noCallback);
    const flying = new FlyingTransfer(address, words, this.addressOf(this.bytes), length, hasPackets);
    this.#all.push(flying);
    return flying;
  }
}

/** It has brought, or taken, all that it could. Control requests are told from cancelled ones anyway. */
function isWhole({ words, hasPackets, transfer }: FlyingTransfer): boolean {
  if (hasPackets) return false;
  if (transfer!.urb.type === TransferType.control) return true;
  const isDone = words[TransferField.status / 4] === LibusbStatus.COMPLETED;
  return !isDone || words[TransferField.actualLength / 4] === words[TransferField.length / 4];
}

/** Writes a pointer; the store of the low word keeps the lower 32 bits. */
function put(words: Int32Array, field: number, address: number): void {
  words[field / 4] = address;
  words[field / 4 + 1] = address / LOW;
}
