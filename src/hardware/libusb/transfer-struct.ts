import {
  PACKET_WORDS as OUR_WORDS,
  PacketWord,
  TransferStatus,
  type TransferType,
  type Urb,
} from "../../usb/urb.ts";
import { MAX_ISO_PACKETS } from "../iso-parts.ts";
import { ADD_ZERO_PACKET, PACKET_BYTES, PacketField, TransferField } from "./abi.ts";
import { packetStatus } from "./error-status.ts";

/** struct libusb_transfer, and the packets in it, written into the words that libusb reads and read back. */

/** Room in an isochronous one. */
export const MAX_PACKETS = MAX_ISO_PACKETS;

/** Stands for status and length until libusb has written them, which it does when a transfer ends. */
export const PENDING = -1;

const HIGH = 2 ** 32;
const FLAGS_WORD = TransferField.flags / 4;
const PACKETS_WORD = TransferField.packets / 4;
const WORDS_OF_PACKET = PACKET_BYTES / 4;

/** Writes all but the packets, the handle and what is called. Without a time limit. */
export function writeTransfer(
  words: Int32Array,
  type: TransferType,
  endpoint: number,
  hasZeroPacket: boolean,
  address: number,
  length: number,
  packetCount: number,
): void {
  // The numbers of transfer types are those of bmAttributes.
  words[FLAGS_WORD] = (hasZeroPacket ? ADD_ZERO_PACKET : 0) | (endpoint << 8) | (type << 16);
  words[TransferField.timeout / 4] = 0;
  words[TransferField.status / 4] = PENDING;
  words[TransferField.length / 4] = length;
  words[TransferField.actualLength / 4] = PENDING;
  // The stores keep the lower 32 bits.
  words[TransferField.buffer / 4] = address;
  words[TransferField.buffer / 4 + 1] = address / HIGH;
  words[TransferField.numIsoPackets / 4] = packetCount;
}

/** Writes `count` packets of a URB, from `first` on. */
export function writePackets(words: Int32Array, { packets }: Urb, first: number, count: number): void {
  let at = PACKETS_WORD;
  for (let i = first; i < first + count; i++) {
    words[at + PacketField.length / 4] = packets[i * OUR_WORDS + PacketWord.length]!;
    words[at + PacketField.actualLength / 4] = 0;
    words[at + PacketField.status / 4] = 0;
    at += WORDS_OF_PACKET;
  }
}

/** Takes the results of packets from `first` on into the URB. Of a transfer that was cut short, empty ones were not carried out. */
export function readPackets(words: Int32Array, urb: Urb, first: number, isCut: boolean): void {
  const { packets } = urb;
  const count = words[TransferField.numIsoPackets / 4]!;
  let at = PACKETS_WORD;
  for (let i = first; i < first + count; i++) {
    const packet = i * OUR_WORDS;
    const length = words[at + PacketField.length / 4]!;
    const actual = Math.min(words[at + PacketField.actualLength / 4]!, length);
    const told = packetStatus(words[at + PacketField.status / 4]!);
    const status = isCut && actual === 0 && told === TransferStatus.ok ? TransferStatus.notDone : told;
    packets[packet + PacketWord.actualLength] = actual;
    packets[packet + PacketWord.status] = status;
    urb.actualLength += actual;
    if (status !== TransferStatus.ok) urb.errorCount += 1;
    at += WORDS_OF_PACKET;
  }
}
