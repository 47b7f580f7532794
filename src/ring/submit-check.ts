import type { EndpointMap } from "../usb/endpoint-map.ts";
import { isIn, TransferStatus, TransferType } from "../usb/urb.ts";
import { isSubmitSound } from "../usb/urb-soundness.ts";
import type { Layout } from "./layout.ts";
import { INLINE_MAX, MAX_PACKETS, MAX_TRANSFER_LENGTH } from "./limits.ts";
import {
  BODY,
  DataMode,
  Direction,
  ISO_SIZE,
  IsoRequest,
  IsoSubmit,
  SETUP_AT,
  URB_SIZE,
  UrbSubmit,
} from "./messages.ts";

const { ok, stall, invalid } = TransferStatus;
const { control, isochronous } = TransferType;
const { NONE, BUFFER, INLINE } = DataMode;

/** SET_ADDRESS (USB 2.0 §9.4.6): the address belongs to the bus of the host. */
const SET_ADDRESS = 5;

/** The address of an endpoint, or -1 if there is none of this number and direction. */
export function endpointAddress(endpoint: number, direction: number): number {
  if (endpoint > 15 || direction > Direction.IN) return -1;
  return endpoint | (direction === Direction.IN ? 0x80 : 0);
}

/**
 * Whether a URB_SUBMIT of `size` bytes can be carried out: `ok`, or the status that it is refused with. The message is
 * a private copy.
 */
export function checkSubmit(view: DataView, size: number, layout: Layout, map: EndpointMap): TransferStatus {
  const read = UrbSubmit.read;
  const address = endpointAddress(read.endpoint(view, BODY), read.direction(view, BODY));
  const type = read.transfer_type(view, BODY);
  const length = read.transfer_length(view, BODY);
  const mode = read.data_mode(view, BODY);
  if (address < 0 || type > TransferType.interrupt || type === isochronous) return invalid;
  if (length > MAX_TRANSFER_LENGTH) return invalid;
  switch (mode) {
    case NONE:
      if (length > 0) return invalid;
      break;
    case BUFFER:
      if (!isInData(read.buffer_offset(view, BODY), length, layout)) return invalid;
      break;
    case INLINE:
      if (length > INLINE_MAX || (!isIn(address) && size < URB_SIZE + length)) return invalid;
      break;
    default:
      return invalid;
  }
  const bmRequestType = view.getUint8(SETUP_AT);
  const actual = (address & 15) === 0 ? control : map.find(address)?.type;
  if (actual === undefined) return stall;
  if (actual !== type || !isSubmitSound(actual, address, length, 0, bmRequestType)) return invalid;
  return type === control && bmRequestType === 0 && view.getUint8(SETUP_AT + 1) === SET_ADDRESS
    ? invalid
    : ok;
}

/** The same of an ISO_SUBMIT; its packets are looked at when they are entered. */
export function checkIsoSubmit(
  view: DataView,
  size: number,
  layout: Layout,
  map: EndpointMap,
): TransferStatus {
  const read = IsoSubmit.read;
  const address = endpointAddress(read.endpoint(view, BODY), read.direction(view, BODY));
  const packets = read.number_of_packets(view, BODY);
  const length = read.total_length(view, BODY);
  if (address < 0 || packets > MAX_PACKETS || size < ISO_SIZE + packets * IsoRequest.size) return invalid;
  if (length > MAX_TRANSFER_LENGTH) return invalid;
  if (length > 0 && !isInData(read.buffer_offset(view, BODY), length, layout)) return invalid;
  const actual = map.find(address)?.type;
  if (actual === undefined) return stall;
  return actual === isochronous ? ok : invalid;
}

/** No sum of these exceeds 2^53. */
function isInData(offset: number, length: number, { dataOffset, dataSize }: Layout): boolean {
  return offset >= dataOffset && offset + length <= dataOffset + dataSize;
}
