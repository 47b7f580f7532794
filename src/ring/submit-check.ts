import type { EndpointMap } from "../usb/endpoint-map.ts";
import { isIn, TransferStatus, TransferType } from "../usb/urb.ts";
import { isSubmitSound } from "../usb/urb-soundness.ts";
import type { Layout } from "./layout.ts";
import { INLINE_MAX, MAX_PACKETS, MAX_TRANSFER_LENGTH } from "./limits.ts";
import { SubmitWord } from "./message-words.ts";
import { BODY, DataMode, Direction, ISO_SIZE, IsoRequest, IsoSubmit, URB_SIZE } from "./messages.ts";

const { ok, stall, invalid } = TransferStatus;
const { control, isochronous, interrupt } = TransferType;
const { NONE, BUFFER, INLINE } = DataMode;
const { IN } = Direction;

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const LONGEST = MAX_TRANSFER_LENGTH;
const {
  endpoint: ENDPOINT,
  direction: DIRECTION,
  transfer_type: TYPE,
  transfer_length: LENGTH,
  data_mode: MODE,
  buffer_offset: OFFSET,
  setup: SETUP,
} = SubmitWord;

/** SET_ADDRESS (USB 2.0 §9.4.6): the address belongs to the bus of the host. */
const SET_ADDRESS = 5;

/** The address of an endpoint, or -1 if there is none of this number and direction. */
export function endpointAddress(endpoint: number, direction: number): number {
  if (endpoint > 15 || direction > IN) return -1;
  return endpoint | (direction === IN ? 0x80 : 0);
}

/**
 * Whether a URB_SUBMIT of `size` bytes can be carried out: `ok`, or the status that it is refused with. The message is
 * a private copy.
 */
export function checkSubmit(
  words: Int32Array,
  size: number,
  layout: Layout,
  map: EndpointMap,
): TransferStatus {
  const address = endpointAddress(words[ENDPOINT]! >>> 0, words[DIRECTION]! >>> 0);
  const type = words[TYPE]! >>> 0;
  const length = words[LENGTH]! >>> 0;
  const mode = words[MODE]! >>> 0;
  if (address < 0 || type > interrupt || type === isochronous) return invalid;
  if (length > LONGEST) return invalid;
  switch (mode) {
    case NONE:
      if (length > 0) return invalid;
      break;
    case BUFFER:
      if (!isInData(words[OFFSET]! >>> 0, length, layout)) return invalid;
      break;
    case INLINE:
      if (length > INLINE_MAX || (!isIn(address) && size < URB_SIZE + length)) return invalid;
      break;
    default:
      return invalid;
  }
  const bmRequestType = words[SETUP]! & 0xff;
  const actual = (address & 15) === 0 ? control : map.find(address)?.type;
  if (actual === undefined) return stall;
  if (actual !== type || !isSubmitSound(actual, address, length, 0, bmRequestType)) return invalid;
  const bRequest = (words[SETUP]! >>> 8) & 0xff;
  return type === control && bmRequestType === 0 && bRequest === SET_ADDRESS ? invalid : ok;
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
