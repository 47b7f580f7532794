import type { Endpoint } from "../usb/endpoint-map.ts";
import { REQUEST_DIRECTION_IN, Setup } from "../usb/setup.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { isochronous } = TransferType;

/** Whether the bytes and packets that a URB speaks of are there. */
export function isWithinBounds(urb: Urb): boolean {
  if (!(urb.offset >= 0 && urb.length >= 0 && urb.offset + urb.length <= urb.buffer.length)) return false;
  if (urb.type !== isochronous) return true;
  return urb.packetCount >= 0 && urb.packetCount * PACKET_WORDS <= urb.packets.length;
}

/** Whether the data stage of a control URB is the one that its setup packet announces (USB 2.0 §8.5.3). */
export function isDataStageSound({ setup, endpoint, length }: Urb): boolean {
  if ((endpoint & 0x7f) !== 0) return false;
  const wLength = Setup.wLength(setup, 0);
  if (wLength === 0) return true;
  const wantsIn = (Setup.bmRequestType(setup, 0) & REQUEST_DIRECTION_IN) !== 0;
  return wantsIn === isIn(endpoint) && (wantsIn || length >= wLength);
}

/**
 * Moves the packets of an isochronous URB and fills its packet table. `move` gets the place and the length
 * of one packet in `urb.buffer` and tells how many bytes moved. Packets that lie outside of the URB or are
 * longer than an interval carries fail one by one; so do packets that overlap so much that more would come
 * out than the URB has room for, because sinks send packets one behind the other.
 */
export function movePackets(
  urb: Urb,
  endpoint: Endpoint,
  move: (urb: Urb, at: number, length: number) => number,
): void {
  const { packets, packetCount } = urb;
  for (let i = 0; i < packetCount; i++) {
    const word = i * PACKET_WORDS;
    const offset = packets[word + PacketWord.offset]!;
    const length = packets[word + PacketWord.length]!;
    const sound =
      offset >= 0 &&
      length >= 0 &&
      offset + length <= urb.length &&
      urb.actualLength + length <= urb.length &&
      (isIn(urb.endpoint) || length <= endpoint.bytesPerInterval);
    const moved = sound ? move(urb, urb.offset + offset, Math.min(length, endpoint.bytesPerInterval)) : 0;
    packets[word + PacketWord.actualLength] = moved;
    packets[word + PacketWord.status] = sound ? TransferStatus.ok : TransferStatus.invalid;
    urb.actualLength += moved;
    if (!sound) urb.errorCount += 1;
  }
}
