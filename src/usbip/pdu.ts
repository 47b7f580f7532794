import { octets, s32, text, u8, u16, u32 } from "../wire/field.ts";
import { bigEndian, type StructValue } from "../wire/struct.ts";

/**
 * Messages of USB/IP as Documentation/usb/usbip_protocol.rst of Linux lays them out. All fields are in network
 * byte order except the setup packet, which travels in USB order.
 */

export const USBIP_VERSION = 0x0111;

/** `code` of op_common. Bit 15 marks a request. */
export const OpCode = {
  OP_REQ_DEVLIST: 0x8005,
  OP_REP_DEVLIST: 0x0005,
  OP_REQ_IMPORT: 0x8003,
  OP_REP_IMPORT: 0x0003,
  /** Ours: docs/protocols/usbip-events.md. */
  OP_REQ_EVENTS: 0x8e01,
  OP_REP_EVENTS: 0x0e01,
} as const;

/** `status` of a reply (usbip_common.h of the Linux tools). */
export const OpStatus = {
  ST_OK: 0,
  ST_NA: 1,
  ST_DEV_BUSY: 2,
  ST_DEV_ERR: 3,
  ST_NODEV: 4,
  ST_ERROR: 5,
} as const;
export type OpStatus = (typeof OpStatus)[keyof typeof OpStatus];

export const OpCommon = bigEndian("op_common", {
  version: u16,
  code: u16,
  status: u32,
});

export const BUSID_SIZE = 32;

/** Follows op_common in OP_REQ_IMPORT. */
export const ImportRequest = bigEndian("OP_REQ_IMPORT", { busid: text(BUSID_SIZE) });

/** Follows op_common in OP_REP_DEVLIST that reports success. */
export const DevlistReply = bigEndian("OP_REP_DEVLIST", { ndev: u32 });

/** struct usbip_usb_device: one device of a list, and the body of a successful import. */
export const DeviceRecord = bigEndian("usbip_usb_device", {
  path: text(256),
  busid: text(BUSID_SIZE),
  busnum: u32,
  devnum: u32,
  speed: u32,
  idVendor: u16,
  idProduct: u16,
  bcdDevice: u16,
  bDeviceClass: u8,
  bDeviceSubClass: u8,
  bDeviceProtocol: u8,
  bConfigurationValue: u8,
  bNumConfigurations: u8,
  bNumInterfaces: u8,
});
export type DeviceRecordValue = StructValue<(typeof DeviceRecord)["fields"]>;

/** struct usbip_usb_interface: follows its device in a list, not in an import. */
export const InterfaceRecord = bigEndian("usbip_usb_interface", {
  bInterfaceClass: u8,
  bInterfaceSubClass: u8,
  bInterfaceProtocol: u8,
  padding: u8,
});
export type InterfaceRecordValue = StructValue<(typeof InterfaceRecord)["fields"]>;

export const Command = { CMD_SUBMIT: 1, CMD_UNLINK: 2, RET_SUBMIT: 3, RET_UNLINK: 4 } as const;
export const Direction = { OUT: 0, IN: 1 } as const;

/** Every message of the URB phase begins with 48 bytes: usbip_header_basic, and 28 bytes of its command. */
export const HEADER_SIZE = 48;

export const HeaderBasic = bigEndian("usbip_header_basic", {
  command: u32,
  seqnum: u32,
  devid: u32,
  direction: u32,
  ep: u32,
});

export const CmdSubmit = bigEndian("CMD_SUBMIT", {
  transfer_flags: u32,
  transfer_buffer_length: s32,
  start_frame: s32,
  number_of_packets: s32, // 0 or -1 when not isochronous: the document says -1, Linux sends 0
  interval: s32,
  setup: octets(8),
});

export const RetSubmit = bigEndian("RET_SUBMIT", {
  status: s32,
  actual_length: s32,
  start_frame: s32,
  number_of_packets: s32,
  error_count: s32,
  padding: octets(8),
});

export const CmdUnlink = bigEndian("CMD_UNLINK", { seqnum: u32, padding: octets(24) });

export const RetUnlink = bigEndian("RET_UNLINK", { status: s32, padding: octets(24) });

/** struct usbip_iso_packet_descriptor */
export const IsoPacket = bigEndian("usbip_iso_packet_descriptor", {
  offset: u32,
  length: u32,
  actual_length: u32,
  status: s32,
});

/** `transfer_flags` bits that a server acts on. DIR_IN is for show: the direction comes from the header. */
export const TransferFlag = { SHORT_NOT_OK: 0x1, ISO_ASAP: 0x2, ZERO_PACKET: 0x40, DIR_IN: 0x200 } as const;

/** `speed`: enum usb_device_speed of Linux. */
export const SpeedCode = {
  USB_SPEED_LOW: 1,
  USB_SPEED_FULL: 2,
  USB_SPEED_HIGH: 3,
  USB_SPEED_SUPER: 5,
  USB_SPEED_SUPER_PLUS: 6,
} as const;

/** Above it a request is refused as nonsense; a Linux client sends at most 4 MiB. */
export const MAX_TRANSFER_LENGTH = 16 << 20;

/** The kernel's own server accepts at most this many. */
export const MAX_ISO_PACKETS = 1024;
