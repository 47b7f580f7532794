import type { TransferStatus, Urb } from "../usb/urb.ts";
import type { Transfer } from "./transfer.ts";

/** A request of the operating system that it has, or could have: a transfer, or a part of one. */
export interface Part {
  /** Where its own bytes are: in memory, and in the bytes of the table. */
  readonly ownAddress: number;
  readonly ownAt: number;
  /** What it is part of, while the system has it. */
  transfer: Transfer | undefined;
  /** The system reads and writes its own bytes. */
  isOwn: boolean;
  /** The system was asked to end it early. */
  isDiscarded: boolean;
  /** Isochronous: the first packet of the transfer that is in here. */
  firstPacket: number;
}

/** The requests of one device, in memory that stays where it is. */
export interface PartTable<P extends Part, C> {
  /** Own bytes of all of them, and how many each has. */
  readonly bytes: Uint8Array;
  readonly ownBytes: number;
  /** Every one there has been; those that the system has have a transfer. */
  readonly all: readonly P[];
  /** How many the system has. */
  readonly taken: number;

  /** One with room for so many packets, if there is one. */
  take(packetCount: number): P | undefined;
  give(part: P): void;
  /** Where memory of a sink is. */
  addressOf(bytes: Uint8Array): number;

  /** Gives it to the system. ACCEPTED, or the TransferStatus with which it is refused. `flags` are those of a URB. */
  submit(part: P, urb: Urb, flags: number, address: number, length: number, packetCount: number): number;
  /** Asks for its early end. */
  discard(part: P, calls: C): void;
  /** Tells each that has ended; it is to be given back. False if the device is gone and no more will come. */
  reap(ended: (part: P) => void): boolean;

  /** Of one that has ended. */
  length(part: P): number;
  actualLength(part: P): number;
  status(part: P): TransferStatus;
  /** Takes the results of its packets into the URB. */
  readPackets(part: P, urb: Urb): void;
}
