import { errnoOf } from "../usb/errno.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import {
  Absent,
  EINPROGRESS,
  EventType,
  EXDEV,
  ISO_DESCRIPTORS_MAX,
  IsoDescriptor,
  IsoRecord,
  SETUP_AT,
  UsbmonHeader,
  XferFlag,
  xferTypeOf,
} from "./usbmon.ts";

const { control, isochronous, bulk } = TransferType;

/** Where a device stands in the bus numbers of its host. */
export interface BusPlace {
  readonly busnum: number;
  readonly devnum: number;
}

/**
 * One event of a URB as usbmon would have recorded it: `measure` first, then `write`. One object serves all events of a
 * recorder, so that recording makes no garbage.
 */
export class UrbPacket {
  readonly #place: BusPlace;
  readonly #largest: number;
  #type: EventType = EventType.submit;
  /** Of `urb.packets`, as many as are told of and have room. */
  #descriptors = 0;
  /** Bytes of data that are kept. */
  #kept = 0;
  /** Bytes of the packet that is kept, and of what it would be without a limit. */
  captured = 0;
  original = 0;

  /** Packets are cut to `largest` bytes, header and packet table included. */
  constructor(place: BusPlace, largest: number) {
    this.#place = place;
    this.#largest = Math.max(largest, UsbmonHeader.size);
  }

  measure(urb: Urb, type: EventType): void {
    const descriptors = urb.type === isochronous ? Math.min(urb.packetCount, ISO_DESCRIPTORS_MAX) : 0;
    const data = dataLength(urb, type);
    const room = this.#largest - UsbmonHeader.size;
    this.#type = type;
    this.#descriptors = Math.min(descriptors, Math.floor(room / IsoDescriptor.size));
    this.#kept = Math.min(data, room - this.#descriptors * IsoDescriptor.size);
    this.captured = UsbmonHeader.size + this.#descriptors * IsoDescriptor.size + this.#kept;
    this.original = UsbmonHeader.size + descriptors * IsoDescriptor.size + data;
  }

  /** Writes what was measured. `id` names the URB while it is in flight. */
  write(urb: Urb, view: DataView, bytes: Uint8Array, at: number, timeUs: number, id: number): void {
    const isSubmission = this.#type === EventType.submit;
    const header = UsbmonHeader.write;
    header.id_low(view, at, urb.tag);
    header.id_high(view, at, id);
    header.type(view, at, this.#type);
    header.xfer_type(view, at, xferTypeOf(urb.type));
    header.epnum(view, at, urb.endpoint);
    header.devnum(view, at, this.#place.devnum);
    header.busnum(view, at, this.#place.busnum);
    header.flag_setup(view, at, urb.type === control && isSubmission ? Absent.none : Absent.setup);
    header.flag_data(view, at, this.#kept > 0 ? Absent.none : absence(urb, isSubmission));
    header.ts_sec_low(view, at, Math.floor(timeUs / 1e6));
    header.ts_sec_high(view, at, 0);
    header.ts_usec(view, at, timeUs % 1e6);
    header.status(view, at, isSubmission ? EINPROGRESS : errnoOf(urb.status));
    header.length(view, at, isSubmission ? urb.length : urb.actualLength);
    header.len_cap(view, at, this.captured - UsbmonHeader.size);
    this.#writeSetup(urb, view, bytes, at);
    const isPeriodic = urb.type !== control && urb.type !== bulk;
    header.interval(view, at, isPeriodic ? urb.interval : 0);
    header.start_frame(view, at, urb.type === isochronous ? urb.startFrame : 0);
    header.xfer_flags(view, at, xferFlags(urb));
    header.ndesc(view, at, this.#descriptors);
    const table = at + UsbmonHeader.size;
    this.#writeDescriptors(urb, view, table);
    copyBytes(urb.buffer, urb.offset, this.#kept, bytes, table + this.#descriptors * IsoDescriptor.size);
  }

  #writeSetup(urb: Urb, view: DataView, bytes: Uint8Array, at: number): void {
    const place = at + SETUP_AT;
    if (urb.type === control && this.#type === EventType.submit) {
      for (let i = 0; i < 8; i++) bytes[place + i] = urb.setup[i]!;
    } else {
      const isIsochronous = urb.type === isochronous;
      IsoRecord.write.error_count(view, place, isIsochronous ? urb.errorCount : 0);
      IsoRecord.write.numdesc(view, place, isIsochronous ? urb.packetCount : 0);
    }
  }

  #writeDescriptors(urb: Urb, view: DataView, table: number): void {
    const isSubmission = this.#type === EventType.submit;
    const { packets } = urb;
    for (let i = 0; i < this.#descriptors; i++) {
      const word = i * PACKET_WORDS;
      const at = table + i * IsoDescriptor.size;
      const length = packets[word + (isSubmission ? PacketWord.length : PacketWord.actualLength)]!;
      const status = isSubmission ? EXDEV : errnoOf(packets[word + PacketWord.status]! as Urb["status"]);
      IsoDescriptor.write.iso_status(view, at, status);
      IsoDescriptor.write.iso_off(view, at, packets[word + PacketWord.offset]!);
      IsoDescriptor.write.iso_len(view, at, length);
      IsoDescriptor.write.pad(view, at, 0);
    }
  }
}

/** Data stands with the event at which it is there: OUT with the submission, IN with the completion. */
function dataLength(urb: Urb, type: EventType): number {
  if (isIn(urb.endpoint) === (type === EventType.submit)) return 0;
  const length = type === EventType.submit ? urb.length : collatedLength(urb);
  return Math.max(0, Math.min(length, urb.length, urb.buffer.length - urb.offset));
}

/** Packets of an isochronous read stay where the sink has them, with gaps where they came short. */
function collatedLength(urb: Urb): number {
  if (urb.type !== isochronous) return urb.actualLength;
  let end = 0;
  for (let i = 0; i < urb.packetCount; i++) {
    const word = i * PACKET_WORDS;
    const last = urb.packets[word + PacketWord.offset]! + urb.packets[word + PacketWord.actualLength]!;
    if (last > end) end = last;
  }
  return end;
}

function absence(urb: Urb, isSubmission: boolean): number {
  if (isIn(urb.endpoint)) return isSubmission ? Absent.in : Absent.none;
  return isSubmission ? Absent.none : Absent.out;
}

function xferFlags({ flags, endpoint }: Urb): number {
  let bits = isIn(endpoint) ? XferFlag.URB_DIR_IN : 0;
  if ((flags & UrbFlag.shortNotOk) !== 0) bits |= XferFlag.URB_SHORT_NOT_OK;
  if ((flags & UrbFlag.isoAsap) !== 0) bits |= XferFlag.URB_ISO_ASAP;
  if ((flags & UrbFlag.zeroPacket) !== 0) bits |= XferFlag.URB_ZERO_PACKET;
  return bits;
}
