import { REQUEST_DIRECTION_IN } from "./setup.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferType, type Urb } from "./urb.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { control, isochronous } = TransferType;

/**
 * Only isochronous transfers have packets, and the data stage of a control transfer goes the way its setup packet
 * says (USB 2.0 §9.3.1).
 */
export function isSubmitSound(
  type: TransferType,
  endpoint: number,
  length: number,
  packetCount: number,
  bmRequestType: number,
): boolean {
  if (packetCount > 0 && type !== isochronous) return false;
  if (type !== control || length === 0) return true;
  return isIn(endpoint) === ((bmRequestType & REQUEST_DIRECTION_IN) !== 0);
}

/** Packets lie inside the transfer, one behind the other: only so can IN data be moved together. */
export function packetsAreSound({ packets, packetCount, length }: Urb): boolean {
  let end = 0;
  for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const offset = packets[i + PacketWord.offset]!;
    const packetLength = packets[i + PacketWord.length]!;
    if (packetLength < 0 || offset < end || offset + packetLength > length) return false;
    end = offset + packetLength;
  }
  return true;
}

/**
 * Puts the packets of IN data that came without the gaps between them at their places, the last one first. Only for
 * packets that are sound, and whose actual lengths are those of `actualLength` bytes.
 */
export function spreadPackets({ buffer, offset, packets, packetCount }: Urb, actualLength: number): void {
  let from = offset + actualLength;
  for (let i = (packetCount - 1) * PACKET_WORDS; i >= 0; i -= PACKET_WORDS) {
    const actual = packets[i + PacketWord.actualLength]!;
    from -= actual;
    const to = offset + packets[i + PacketWord.offset]!;
    if (to !== from) buffer.copyWithin(to, from, from + actual);
  }
}
