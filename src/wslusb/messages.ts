import { octets, text, u8, u16, u32 } from "../wire/field.ts";
import { littleEndian, type StructValue } from "../wire/struct.ts";

/**
 * Messages of WSL-USB version 2 as docs/protocols/wslusb.md lays them out. All fields are little-endian. Every message
 * is one frame or several; the fixed part of a message stands whole in its first frame.
 */

export const WSLUSB_VERSION = 2;

/** First bytes of each Hello. */
export const MAGIC = Uint8Array.of(0x57, 0x53, 0x4c, 0x55, 0x53, 0x42); // "WSLUSB"

/** `type` of a frame. 1 to 6 and 0xff have the meaning that version 1 gave them. */
export const MessageType = {
  DeviceEnumeration: 1,
  DeviceAttach: 2,
  DeviceDetach: 3,
  UrbRequest: 4,
  UrbResponse: 5,
  DeviceEvent: 6,
  Hello: 7,
  UrbCancel: 8,
  KeepAlive: 9,
  Credit: 10,
  DeviceReset: 11,
  Error: 0xff,
} as const;

export const FrameHeader = littleEndian("frame header", {
  type: u32,
  payload_size: u32,
  sequence_number: u32,
  reserved: u32,
});

/** Bits of `reserved`. */
export const FrameFlag = {
  /** Another frame of this message follows. */
  MORE: 1 << 0,
  /** The message ends here, unfinished, and is to be forgotten. The frame has no payload. */
  ABANDONED: 1 << 1,
} as const;

/** A whole frame has at most 64 KiB. */
export const MAX_FRAME = 64 << 10;
export const MAX_PAYLOAD = MAX_FRAME - FrameHeader.size;

export const Hello = littleEndian("Hello", {
  magic: octets(6),
  version: u16, // the highest that is spoken; of a host, the one that is chosen
  lowest_version: u16,
  reserved: u16,
  credit: u32, // bytes of bulk and isochronous frames that may be on their way to the sender of this, for each device
  devices: u32, // the rest tells the limits of a host; a client says 0
  urbs: u32,
  bytes: u32,
  transfer_length: u32,
  packets: u32,
});

export const EnumerationRequest = littleEndian("DeviceEnumeration request", { flags: u32 });

/** Bits of `EnumerationRequest.flags`. */
export const EnumerationFlag = {
  /** Changes are told from now on, each with a DeviceEvent. */
  SUBSCRIBE: 1 << 0,
} as const;

export const EnumerationResponse = littleEndian("DeviceEnumeration response", { count: u32 });

const ID_SIZE = 256;

/** Whether a text ends within its field, whose last byte stands before `end`. */
export function isEnded(bytes: Uint8Array, end: number): boolean {
  return bytes[end - 1] === 0;
}

/** Names have one byte less than their field, which ends with NUL. */
export const INSTANCE_ID_MAX = ID_SIZE - 1;

/** One device of a list or an event; its interfaces follow. The first 524 bytes are those of version 1. */
export const DeviceInfo = littleEndian("DeviceInfo", {
  instance_id: text(ID_SIZE),
  description: text(ID_SIZE),
  vid: u16,
  pid: u16,
  bcdDevice: u16,
  class: u8,
  subclass: u8,
  protocol: u8,
  configuration_count: u8,
  current_configuration: u8,
  is_attached: u8,
  speed: u8,
  interface_count: u8,
  reserved: u16,
  serial: text(128),
});
export type DeviceInfoValue = StructValue<(typeof DeviceInfo)["fields"]>;

export const InterfaceInfo = littleEndian("InterfaceInfo", {
  class: u8,
  subclass: u8,
  protocol: u8,
  reserved: u8,
});
export type InterfaceInfoValue = StructValue<(typeof InterfaceInfo)["fields"]>;

export const AttachRequest = littleEndian("DeviceAttach request", { instance_id: text(ID_SIZE) });

/** The device follows if `status` is OK. */
export const AttachResponse = littleEndian("DeviceAttach response", { status: u32, message: text(ID_SIZE) });

/** Behind an AttachResponse whose status is OK; the descriptors follow. */
export const AttachedDevice = littleEndian("attached device", {
  device: u32,
  speed: u8,
  current_configuration: u8,
  reserved: u16,
  descriptors_length: u32,
});

export const DetachRequest = littleEndian("DeviceDetach request", { device: u32 });
/** The answer to a DetachRequest, and what a host sends unasked when it takes a device back. */
export const DetachNotice = littleEndian("DeviceDetach", { device: u32, status: u32 });

export const ResetRequest = littleEndian("DeviceReset request", { device: u32 });
export const ResetResponse = littleEndian("DeviceReset response", { device: u32, status: u32 });

/** The packet table follows, and OUT data behind it. */
export const UrbRequest = littleEndian("UrbRequest", {
  device: u32,
  endpoint: u8,
  transfer_type: u8,
  flags: u16,
  setup: octets(8),
  transfer_buffer_length: u32,
  number_of_packets: u32,
  interval: u32,
  start_frame: u32,
  stream_id: u32,
  reserved: u32,
});
export const SETUP_AT = 8;

/** Bits of `UrbRequest.flags`. */
export const RequestFlag = { SHORT_NOT_OK: 1 << 0, ISO_ASAP: 1 << 1, ZERO_PACKET: 1 << 2 } as const;

export const IsoRequest = littleEndian("isochronous packet of a UrbRequest", { offset: u32, length: u32 });

/** The packet table follows, and IN data behind it. The first two fields are those of version 1. */
export const UrbResponse = littleEndian("UrbResponse", {
  status: u32,
  transferred_length: u32,
  start_frame: u32,
  error_count: u32,
  number_of_packets: u32,
  reserved: u32,
});

export const IsoResult = littleEndian("isochronous packet of a UrbResponse", {
  actual_length: u32,
  status: u32,
});

export const CancelRequest = littleEndian("UrbCancel request", { urb: u32 });
export const CancelResponse = littleEndian("UrbCancel response", { urb: u32, status: u32 });

export const EventHead = littleEndian("DeviceEvent", { kind: u32 });

export const EventKind = { ADDED: 1, REMOVED: 2, CHANGED: 3 } as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

export const KeepAlive = littleEndian("KeepAlive", { answer: u32 });

export const Credit = littleEndian("Credit", { device: u32, bytes: u32 });

export const ErrorMessage = littleEndian("Error", { status: u32, message: text(ID_SIZE) });
