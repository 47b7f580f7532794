import { PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";

/** What Linux takes in one URB (drivers/usb/core/devio.c). */
export const MAX_ISO_PACKETS = 128;
const MAX_ISO_PACKET_LENGTH = 98_304;

/** The kernel looks for memory in one piece; more than this it may not find. */
const PART_BYTES = 256 << 10;

/** How many packets from `first` on go into one URB of the kernel. */
export function packetsOfPart({ packets, packetCount }: Urb, first: number): number {
  const most = Math.min(packetCount - first, MAX_ISO_PACKETS);
  let bytes = 0;
  for (let count = 0; count < most; count++) {
    bytes += packets[(first + count) * PACKET_WORDS + PacketWord.length]!;
    if (bytes > PART_BYTES && count > 0) return count;
  }
  return most;
}

/** Bytes of `count` packets from `first` on. */
export function bytesOfPackets({ packets }: Urb, first: number, count: number): number {
  let bytes = 0;
  for (let i = first; i < first + count; i++) bytes += packets[i * PACKET_WORDS + PacketWord.length]!;
  return bytes;
}

/** Whether every packet lies inside the transfer and is one that the kernel takes. */
export function arePacketsSound({ packets, packetCount, length }: Urb): boolean {
  if (!Number.isInteger(packetCount) || packetCount < 1) return false;
  if (packetCount * PACKET_WORDS > packets.length) return false;
  let sum = 0;
  for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const offset = packets[i + PacketWord.offset]!;
    const packetLength = packets[i + PacketWord.length]!;
    if (packetLength < 0 || packetLength > MAX_ISO_PACKET_LENGTH) return false;
    if (offset < 0 || offset + packetLength > length) return false;
    sum += packetLength;
  }
  return sum <= length;
}

/** Whether packets lie one behind the other, as the kernel has them. */
export function arePacketsAdjacent({ packets, packetCount }: Urb): boolean {
  for (let i = PACKET_WORDS; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const before = i - PACKET_WORDS;
    const end = packets[before + PacketWord.offset]! + packets[before + PacketWord.length]!;
    if (packets[i + PacketWord.offset] !== end) return false;
  }
  return true;
}

/** Copies OUT packets together. */
export function gatherPackets({ buffer, offset, packets, packetCount }: Urb, gathered: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const length = packets[i + PacketWord.length]!;
    copyBytes(buffer, offset + packets[i + PacketWord.offset]!, length, gathered, at);
    at += length;
  }
}

/** Copies IN packets that came together to their places. */
export function scatterPackets({ buffer, offset, packets, packetCount }: Urb, gathered: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const actual = packets[i + PacketWord.actualLength]!;
    copyBytes(gathered, at, actual, buffer, offset + packets[i + PacketWord.offset]!);
    at += packets[i + PacketWord.length]!;
  }
}

/** The packets from `first` on will not be carried out. */
export function leavePacketsOut(urb: Urb, first: number): void {
  for (let i = first; i < urb.packetCount; i++) {
    urb.packets[i * PACKET_WORDS + PacketWord.actualLength] = 0;
    urb.packets[i * PACKET_WORDS + PacketWord.status] = TransferStatus.notDone;
    urb.errorCount += 1;
  }
}
