import { REQUEST_DIRECTION_IN, Setup } from "../usb/setup.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { TransferFlag } from "./pdu.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { SHORT_NOT_OK, ISO_ASAP, ZERO_PACKET } = TransferFlag;
const { shortNotOk, isoAsap, zeroPacket } = UrbFlag;
const { control, isochronous } = TransferType;

/** The flags of the waist that `transfer_flags` asks for. */
export function urbFlags(transferFlags: number): number {
  let flags = 0;
  if (transferFlags & SHORT_NOT_OK) flags |= shortNotOk;
  if (transferFlags & ISO_ASAP) flags |= isoAsap;
  if (transferFlags & ZERO_PACKET) flags |= zeroPacket;
  return flags;
}

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

/** SET_FEATURE(PORT_RESET) to a port (USB 2.0 §11.24.2.13): how usbip-win2 asks for a device reset. */
export function isPortReset(urb: Urb): boolean {
  const { setup } = urb;
  return (
    urb.type === control &&
    Setup.bmRequestType(setup, 0) === 0x23 &&
    Setup.bRequest(setup, 0) === 3 &&
    Setup.wValue(setup, 0) === 4
  );
}
