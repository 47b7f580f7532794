import type { TransferType } from "../usb/urb.ts";
import { octets, s32, u8, u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** struct mon_bin_hdr, which is struct usbmon_packet of Documentation/usb/usbmon.rst (linux: drivers/usb/mon/mon_bin.c) */
export const UsbmonHeader = littleEndian("usbmon_packet", {
  id_low: u32,
  id_high: u32,
  type: u8,
  xfer_type: u8,
  epnum: u8,
  devnum: u8,
  busnum: u16,
  flag_setup: u8,
  flag_data: u8,
  ts_sec_low: u32,
  ts_sec_high: s32,
  ts_usec: s32,
  status: s32,
  length: u32,
  len_cap: u32,
  setup: octets(8), // or struct iso_rec
  interval: s32,
  start_frame: s32,
  xfer_flags: u32,
  ndesc: u32,
});

/** struct iso_rec, in the place of `setup` */
export const IsoRecord = littleEndian("iso_rec", { error_count: s32, numdesc: s32 });

/** Where `setup` and `iso_rec` stand in the header. */
export const SETUP_AT = 40;

/** struct mon_bin_isodesc; `pad` has an underscore there */
export const IsoDescriptor = littleEndian("mon_bin_isodesc", {
  iso_status: s32,
  iso_off: u32,
  iso_len: u32,
  pad: u32,
});

/** ISODESC_MAX: usbmon tells of no more packets of one URB. */
export const ISO_DESCRIPTORS_MAX = 128;

/** `type` */
export const EventType = { submit: 0x53 /* S */, complete: 0x43 /* C */ } as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

/** `flag_setup` and `flag_data`: 0 if it is there, else why it is not. */
export const Absent = { none: 0, setup: 0x2d /* - */, in: 0x3c /* < */, out: 0x3e /* > */ } as const;

/** `xfer_type`, by `TransferType` */
const XFER_TYPES: readonly number[] = [2, 0, 3, 1];

/** `xfer_flags` (linux: include/linux/usb.h) */
export const XferFlag = {
  URB_SHORT_NOT_OK: 0x0001,
  URB_ISO_ASAP: 0x0002,
  URB_ZERO_PACKET: 0x0040,
  URB_DIR_IN: 0x0200,
} as const;

export const EINPROGRESS = -115;
/** Of a packet of a submission, which has no result (linux: drivers/usb/core/urb.c). */
export const EXDEV = -18;

export function xferTypeOf(type: TransferType): number {
  return XFER_TYPES[type]!;
}

/** Nothing for a number that is no transfer type. */
export function transferTypeOf(xferType: number): TransferType | undefined {
  const type = XFER_TYPES.indexOf(xferType);
  return type < 0 ? undefined : (type as TransferType);
}
