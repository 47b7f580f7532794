import type { Libc } from "../../linux/libc.ts";
import { MemoryAddresses } from "../../linux/memory-address.ts";
import { Setup } from "../../usb/setup.ts";
import {
  isIn,
  PACKET_WORDS,
  PacketWord,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../usb/urb.ts";
import { copyBytes } from "../../wire/copy-bytes.ts";
import { ENOMEM, endedStatus, refusedStatus } from "./errno-status.ts";
import {
  arePacketsAdjacent,
  bytesOfPackets,
  gatherPackets,
  leavePacketsOut,
  packetsOfPart,
  scatterPackets,
} from "./iso-parts.ts";
import { type KernelUrb, type KernelUrbs, OWN_BYTES } from "./kernel-urb.ts";
import { ACCEPTED, type Transfer } from "./transfer.ts";
import { readPackets, writePackets, writeUrb } from "./urb-struct.ts";
import { UrbFlags, UrbType, UrbWord, USBDEVFS } from "./usbdevfs.ts";

/** The kernel has no room now; it will have when something has ended. */
export const LATER = -2;

/** Up to here bytes are copied into the memory of the kernel URB: a loop is quicker than to look for their address. */
const COPIED_BYTES = 64;
/** The smallest part that a transfer is cut into when memory is short; a multiple of every bulk packet. */
const SMALLEST_PART = 16 << 10;
/** Of one device in the kernel at a time, beyond the first URB of each endpoint: other devices need memory too. */
const KERNEL_BYTES = 8 << 20;
const SETUP_BYTES = 8;

/** Gives transfers to the kernel, whole or in parts, and takes the results of a part. */
export class Submission {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #urbs: KernelUrbs;
  readonly #addresses: MemoryAddresses;
  readonly #noMemory: () => void;
  #bytes = 0;

  /** `noMemory` runs when the kernel has none for a URB. */
  constructor(libc: Libc, fd: number, urbs: KernelUrbs, noMemory: () => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#urbs = urbs;
    this.#addresses = new MemoryAddresses(libc);
    this.#noMemory = noMemory;
  }

  /** ACCEPTED, LATER, or the TransferStatus with which it is refused. */
  begin(transfer: Transfer): number {
    const { urb, queue } = transfer;
    if (queue.inKernel > 0 && this.#bytes + urb.length > KERNEL_BYTES) return LATER;
    if (urb.type === TransferType.control) return this.#control(transfer);
    if (urb.type === TransferType.isochronous) return this.#packets(transfer);
    return transfer.parts > 0 ? LATER : this.#part(transfer);
  }

  /**
   * Takes in what one kernel URB has done, and tells how it ended. If that was not all of the transfer, `begin` goes on.
   */
  end(kernelUrb: KernelUrb): TransferStatus {
    const { words } = this.#urbs;
    const { word } = kernelUrb;
    const transfer = kernelUrb.transfer!;
    const { urb } = transfer;
    const length = words[word + UrbWord.bufferLength]!;
    const actual = words[word + UrbWord.actualLength]!;
    let status = endedStatus(words[word + UrbWord.status]!);
    if (status === TransferStatus.disconnected && transfer.isCancelled) status = TransferStatus.cancelled;
    transfer.parts--;
    transfer.queue.inKernel--;
    this.#bytes -= length;
    if (urb.type === TransferType.isochronous) {
      readPackets(words, word, urb, kernelUrb.firstPacket);
      if (transfer.parts === 0) this.#endPackets(transfer);
    } else {
      this.#takeBytes(kernelUrb, transfer, Math.min(actual, urb.length - urb.actualLength));
      // What did not fill its part ends the transfer; parts go one after the other, so that nothing is behind it.
      if (status !== TransferStatus.ok || actual < length) transfer.isBegun = true;
    }
    if (transfer.parts === 0 && transfer.isCancelled && !transfer.isBegun) {
      transfer.isBegun = true;
      status = TransferStatus.cancelled;
    }
    this.#urbs.give(kernelUrb);
    return status;
  }

  #control(transfer: Transfer): number {
    const kernelUrb = this.#urbs.take();
    if (kernelUrb === undefined) return LATER;
    const { urb } = transfer;
    const { setup, buffer, offset } = urb;
    const wLength = Setup.wLength(setup, 0);
    const bytes = SETUP_BYTES + wLength;
    kernelUrb.isOwn = bytes <= OWN_BYTES;
    if (!kernelUrb.isOwn) transfer.gathered = new Uint8Array(bytes);
    const target = transfer.gathered ?? this.#urbs.bytes;
    const at = transfer.gathered === undefined ? kernelUrb.ownAt : 0;
    copyBytes(setup, 0, SETUP_BYTES, target, at);
    if (!isIn(urb.endpoint)) copyBytes(buffer, offset, wLength, target, at + SETUP_BYTES);
    const address =
      transfer.gathered === undefined ? kernelUrb.ownAddress : this.#addresses.of(transfer.gathered);
    transfer.begun = 1;
    transfer.isBegun = true;
    return this.#submit(kernelUrb, transfer, UrbType.control, 0, urbFlags(urb), address, bytes, 0);
  }

  #part(transfer: Transfer): number {
    const { urb, begun, queue } = transfer;
    const { buffer, offset, endpoint } = urb;
    const type = urb.type === TransferType.bulk ? UrbType.bulk : UrbType.interrupt;
    for (;;) {
      const length = Math.min(urb.length - begun, transfer.partBytes);
      const isLast = begun + length === urb.length;
      const kernelUrb = this.#urbs.take();
      if (kernelUrb === undefined) return LATER;
      kernelUrb.isOwn = length <= COPIED_BYTES;
      if (kernelUrb.isOwn && !isIn(endpoint)) {
        copyBytes(buffer, offset + begun, length, this.#urbs.bytes, kernelUrb.ownAt);
      }
      const address = kernelUrb.isOwn ? kernelUrb.ownAddress : this.#addresses.of(buffer) + offset + begun;
      // A short part ends the transfer in any case; a zero-length packet belongs behind the last one.
      const flags = begun === 0 && isLast ? urbFlags(urb) : isLast ? urbFlags(urb) & UrbFlags.ZERO_PACKET : 0;
      const refusal = this.#submit(kernelUrb, transfer, type, endpoint, flags, address, length, 0);
      if (refusal === ACCEPTED) {
        transfer.begun = begun + length;
        transfer.isBegun = isLast;
      }
      if (refusal !== TransferStatus.noMemory) return refusal;
      if (queue.inKernel > 0) return LATER;
      if (length <= SMALLEST_PART) return refusal;
      transfer.partBytes = Math.max(transfer.partBytes >> 1, SMALLEST_PART);
    }
  }

  #packets(transfer: Transfer): number {
    const { urb } = transfer;
    const isGathered = transfer.begun > 0 ? transfer.gathered !== undefined : !arePacketsAdjacent(urb);
    if (isGathered && transfer.gathered === undefined) {
      transfer.gathered = new Uint8Array(bytesOfPackets(urb, 0, urb.packetCount));
      if (!isIn(urb.endpoint)) gatherPackets(urb, transfer.gathered);
    }
    while (transfer.begun < urb.packetCount) {
      const first = transfer.begun;
      const count = packetsOfPart(urb, first);
      const kernelUrb = this.#urbs.take();
      if (kernelUrb === undefined) return LATER;
      kernelUrb.isOwn = false;
      kernelUrb.firstPacket = first;
      writePackets(this.#urbs.words, kernelUrb.word, urb, first, count);
      const address = isGathered
        ? this.#addresses.of(transfer.gathered!) + bytesOfPackets(urb, 0, first)
        : this.#addresses.of(urb.buffer) +
          urb.offset +
          urb.packets[first * PACKET_WORDS + PacketWord.offset]!;
      const length = bytesOfPackets(urb, first, count);
      const flags = urbFlags(urb);
      const refusal = this.#submit(
        kernelUrb,
        transfer,
        UrbType.isochronous,
        urb.endpoint,
        flags,
        address,
        length,
        count,
      );
      if (refusal !== ACCEPTED) {
        if (refusal === TransferStatus.noMemory && transfer.queue.inKernel > 0) return LATER;
        if (first > 0) leavePacketsOut(urb, first);
        return refusal;
      }
      transfer.begun = first + count;
    }
    transfer.isBegun = true;
    return ACCEPTED;
  }

  #submit(
    kernelUrb: KernelUrb,
    transfer: Transfer,
    type: number,
    endpoint: number,
    flags: number,
    address: number,
    length: number,
    packetCount: number,
  ): number {
    writeUrb(this.#urbs.words, kernelUrb.word, type, endpoint, flags, address, length, packetCount);
    if (this.#libc.ioctl(this.#fd, USBDEVFS.SUBMITURB, kernelUrb.address) < 0) {
      const errno = this.#libc.errno();
      this.#urbs.give(kernelUrb);
      if (errno === ENOMEM) this.#noMemory();
      return refusedStatus(errno);
    }
    kernelUrb.transfer = transfer;
    kernelUrb.isDiscarded = false;
    transfer.parts++;
    transfer.queue.inKernel++;
    this.#bytes += length;
    return ACCEPTED;
  }

  #endPackets({ urb, gathered, begun, isCancelled }: Transfer): void {
    if (isCancelled) leavePacketsOut(urb, begun);
    if (gathered !== undefined && isIn(urb.endpoint)) scatterPackets(urb, gathered);
  }

  /** Bytes that the kernel has left elsewhere than where the sink wants them. */
  #takeBytes(kernelUrb: KernelUrb, transfer: Transfer, actual: number): void {
    const { urb, gathered } = transfer;
    if (isIn(urb.endpoint) && (kernelUrb.isOwn || gathered !== undefined)) {
      const source = gathered ?? this.#urbs.bytes;
      const at =
        (gathered === undefined ? kernelUrb.ownAt : 0) +
        (urb.type === TransferType.control ? SETUP_BYTES : 0);
      copyBytes(source, at, actual, urb.buffer, urb.offset + urb.actualLength);
    }
    urb.actualLength += actual;
  }
}

function urbFlags({ flags, endpoint }: Urb): number {
  let bits = 0;
  if (flags & UrbFlag.shortNotOk && isIn(endpoint)) bits |= UrbFlags.SHORT_NOT_OK;
  if (flags & UrbFlag.isoAsap) bits |= UrbFlags.ISO_ASAP;
  if (flags & UrbFlag.zeroPacket && !isIn(endpoint)) bits |= UrbFlags.ZERO_PACKET;
  return bits;
}
