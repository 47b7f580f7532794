import { PACKET_WORDS as OUR_WORDS, PacketWord, TransferStatus, type Urb } from "../../usb/urb.ts";
import { endedStatus } from "./errno-status.ts";
import { IsoPacketWord, PACKET_WORDS, UrbWord } from "./usbdevfs.ts";

/** struct usbdevfs_urb, and the packets behind it, written into the words that the kernel reads and read back. */

const HIGH = 2 ** 32;

/** Writes all but the packets. The kernel takes `flags` apart itself. */
export function writeUrb(
  words: Int32Array,
  word: number,
  type: number,
  endpoint: number,
  flags: number,
  address: number,
  length: number,
  packetCount: number,
): void {
  words[word + UrbWord.typeAndEndpoint] = type | (endpoint << 8);
  words[word + UrbWord.status] = 0;
  words[word + UrbWord.flags] = flags;
  // The stores keep the lower 32 bits.
  words[word + UrbWord.buffer] = address;
  words[word + UrbWord.buffer + 1] = address / HIGH;
  words[word + UrbWord.bufferLength] = length;
  words[word + UrbWord.actualLength] = 0;
  words[word + UrbWord.startFrame] = 0;
  words[word + UrbWord.numberOfPackets] = packetCount;
  words[word + UrbWord.errorCount] = 0;
}

/** Writes `count` packets of a URB, from `first` on. */
export function writePackets(
  words: Int32Array,
  word: number,
  { packets }: Urb,
  first: number,
  count: number,
): void {
  let at = word + UrbWord.packets;
  for (let i = first; i < first + count; i++) {
    words[at + IsoPacketWord.length] = packets[i * OUR_WORDS + PacketWord.length]!;
    words[at + IsoPacketWord.actualLength] = 0;
    words[at + IsoPacketWord.status] = 0;
    at += PACKET_WORDS;
  }
}

/** Takes the results of packets from `first` on into the URB. */
export function readPackets(words: Int32Array, word: number, urb: Urb, first: number): void {
  const { packets } = urb;
  const count = words[word + UrbWord.numberOfPackets]!;
  let at = word + UrbWord.packets;
  for (let i = first; i < first + count; i++) {
    const packet = i * OUR_WORDS;
    const actual = words[at + IsoPacketWord.actualLength]!;
    const status = endedStatus(words[at + IsoPacketWord.status]!);
    packets[packet + PacketWord.actualLength] = actual;
    packets[packet + PacketWord.status] = status;
    urb.actualLength += actual;
    if (status !== TransferStatus.ok) urb.errorCount += 1;
    at += PACKET_WORDS;
  }
}
