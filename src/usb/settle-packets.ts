import { PACKET_WORDS, PacketWord, type Urb } from "./urb.ts";

/**
 * Of a finished isochronous URB: clamps what each packet moved to its length, moves the data of an IN together
 * (`incoming`), as protocols carry it, and gives the sum of what moved.
 */
export function settlePackets({ buffer, packets, packetCount, offset }: Urb, incoming: boolean): number {
  let sum = 0;
  for (let i = 0; i < packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    const length = packets[i + PacketWord.length]!;
    const actual = Math.max(Math.min(packets[i + PacketWord.actualLength]!, length), 0);
    packets[i + PacketWord.actualLength] = actual;
    const from = offset + packets[i + PacketWord.offset]!;
    if (incoming && from !== offset + sum) buffer.copyWithin(offset + sum, from, from + actual);
    sum += actual;
  }
  return sum;
}
