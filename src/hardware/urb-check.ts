import type { EndpointMap } from "../usb/endpoint-map.ts";
import { REQUEST_DIRECTION_IN, Setup } from "../usb/setup.ts";
import { isIn, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { arePacketsSound } from "./iso-parts.ts";
import { ACCEPTED } from "./transfer.ts";

/**
 * How a URB ends that the operating system must not see: it is given addresses, so whatever lies outside of the sink's buffer, or
 * does not fit the endpoint, ends here. ACCEPTED for every other one.
 */
export function refusalOf(urb: Urb, map: EndpointMap): TransferStatus | typeof ACCEPTED {
  const { type, endpoint, buffer, offset, length } = urb;
  if (!Number.isInteger(offset) || !Number.isInteger(length)) return TransferStatus.invalid;
  if (offset < 0 || length < 0 || offset + length > buffer.length) return TransferStatus.invalid;
  if (type === TransferType.control) return isDataStageSound(urb) ? ACCEPTED : TransferStatus.invalid;
  const known = map.find(endpoint);
  if (known === undefined) return TransferStatus.stall;
  if (known.type !== type) return TransferStatus.invalid;
  if (type === TransferType.isochronous && !arePacketsSound(urb)) return TransferStatus.invalid;
  return ACCEPTED;
}

/** Whether the data stage is the one that the setup packet announces (USB 2.0 §8.5.3). */
function isDataStageSound({ setup, endpoint, length }: Urb): boolean {
  if ((endpoint & 0x7f) !== 0) return false;
  const wLength = Setup.wLength(setup, 0);
  if (wLength === 0) return true;
  const wantsIn = (Setup.bmRequestType(setup, 0) & REQUEST_DIRECTION_IN) !== 0;
  return wantsIn === isIn(endpoint) && (wantsIn || length >= wLength);
}
