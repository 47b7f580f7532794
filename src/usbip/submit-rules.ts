import { Setup } from "../usb/setup.ts";
import { TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { TransferFlag } from "./pdu.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { SHORT_NOT_OK, ISO_ASAP, ZERO_PACKET } = TransferFlag;
const { shortNotOk, isoAsap, zeroPacket } = UrbFlag;
const { control } = TransferType;

/** The flags of the waist that `transfer_flags` asks for. */
export function urbFlags(transferFlags: number): number {
  let flags = 0;
  if (transferFlags & SHORT_NOT_OK) flags |= shortNotOk;
  if (transferFlags & ISO_ASAP) flags |= isoAsap;
  if (transferFlags & ZERO_PACKET) flags |= zeroPacket;
  return flags;
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
