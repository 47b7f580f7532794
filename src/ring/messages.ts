/** Messages of the ring (USBWarp 1.0, and what version 1.1 adds). A body stands behind the header, at `BODY`. */
import { octets, s32, u8, u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

export const MESSAGE_MAGIC = 0x4d444855;

export const MessageType = {
  NEGOTIATE: 1,
  NEGOTIATE_RESP: 2,
  DEVICE_ADDED: 3,
  DEVICE_REMOVED: 4,
  DEVICE_ADD_ACK: 5,
  DEVICE_REMOVE_ACK: 6,
  /** 1.1, to the host: reset a device. */
  DEVICE_RESET: 7,
  /** 1.1 */
  DEVICE_RESET_ACK: 8,
  /** 1.1, to the host: the guest gives a device back. */
  DEVICE_RELEASE: 9,
  HEARTBEAT: 20,
  HOST_SHUTDOWN: 30,
  GUEST_SHUTDOWN: 31,
  SHUTDOWN_ACK: 32,
  /** 1.1: bytes of a stream. */
  STREAM: 50,
  URB_SUBMIT: 100,
  URB_COMPLETE: 101,
  URB_CANCEL: 102,
  URB_CANCEL_ACK: 103,
  ISO_SUBMIT: 200,
  ISO_COMPLETE: 201,
  CIRCUIT_BREAKER_TRIP: 300,
  CIRCUIT_BREAKER_RESET: 301,
  STATS_REQUEST: 400,
  STATS_RESPONSE: 401,
} as const;

export const Capability = {
  ISO: 1 << 0,
  INLINE_DATA: 1 << 1,
  BATCH_SUBMIT: 1 << 2,
  STATS: 1 << 3,
  /** 1.1: the host takes streams. */
  STREAMS: 1 << 4,
} as const;
export const ALL_CAPABILITIES =
  Capability.ISO | Capability.INLINE_DATA | Capability.BATCH_SUBMIT | Capability.STATS | Capability.STREAMS;

export const MessageHeader = littleEndian("message header", {
  magic: u32,
  message_type: u16,
  protocol_version: u16,
  message_length: u32,
  transaction_id: u32,
  device_id: u32,
  flags: u32,
  /** Monotonic nanoseconds of the sender, or 0. */
  timestamp: u32,
  timestamp_high: u32,
});
export const BODY = MessageHeader.size;

export const Negotiate = littleEndian("NEGOTIATE", {
  min_version: u16,
  max_version: u16,
  capabilities: u32,
  max_pending_urbs: u32,
  /** 1.1: the epochs of the session that begins. */
  guest_epoch: u32,
  host_epoch: u32,
  reserved: octets(12),
});

export const NegotiateResponse = littleEndian("NEGOTIATE_RESP", {
  status: s32,
  negotiated_version: u16,
  pad: u16,
  capabilities: u32,
  max_pending_urbs: u32,
  max_devices: u32,
  guest_epoch: u32,
  host_epoch: u32,
  reserved: u32,
});
/** `status` for a version that is not spoken, as USBWarp has it (STATUS_NOT_SUPPORTED). */
export const VERSION_REFUSED = -1_073_741_637;

export const DeviceAdded = littleEndian("DEVICE_ADDED", {
  device_id: u32,
  vid: u16,
  pid: u16,
  class: u8,
  subclass: u8,
  protocol: u8,
  ep0_max_packet: u8,
  bcdDevice: u16,
  numConfigurations: u8,
  speed: u8,
  device_descriptor: octets(18),
  /** 1.1: bConfigurationValue of the active one. */
  current_configuration: u8,
  pad: u8,
  /** 1.1: all configurations, one behind the other. */
  config_descriptor_length: u32,
});

export const DeviceRemoved = littleEndian("DEVICE_REMOVED", {
  device_id: u32,
  reason: u32,
  reserved: octets(8),
});
export const RemoveReason = {
  USER: 0,
  UNPLUG: 1,
  BREAKER: 2,
  HOST_SHUTDOWN: 3,
  /** 1.1: the guest gave it back. */
  RELEASED: 4,
} as const;

/** DEVICE_ADD_ACK, DEVICE_REMOVE_ACK, DEVICE_RESET_ACK. */
export const DeviceAck = littleEndian("device ACK", { device_id: u32, status: s32, reserved: octets(8) });

/** DEVICE_RESET, DEVICE_RELEASE, URB_CANCEL, STATS_REQUEST. */
export const DeviceRequest = littleEndian("device request", { device_id: u32, reserved: octets(12) });

export const Heartbeat = littleEndian("HEARTBEAT", {
  timestamp: u32,
  timestamp_high: u32,
  state: u32,
  pending_urbs: u32,
  /** 1.1, of the guest: data slots that are not free. */
  used_slots: u32,
  reserved: u32,
});

export const Shutdown = littleEndian("SHUTDOWN", { reason: u32, reserved: octets(12) });
export const ShutdownReason = { NORMAL: 0, SERVICE_LOST: 1, VM_STOPPING: 2, ERROR: 3 } as const;

/** STREAM; the bytes follow. */
export const StreamPart = littleEndian("STREAM", { stream: u32, flags: u32, reserved: octets(8) });
export const StreamFlag = {
  /** Of the guest: the stream begins. */
  OPEN: 1 << 0,
  /** No more comes from this side. */
  END: 1 << 1,
  /** It is over in both directions. */
  CUT: 1 << 2,
} as const;

export const Breaker = littleEndian("CIRCUIT_BREAKER", {
  device_id: u32,
  reason: u32,
  error_count: u32,
  reserved: u32,
});

export const UrbSubmit = littleEndian("URB_SUBMIT", {
  device_id: u32,
  endpoint: u32,
  direction: u32,
  transfer_type: u32,
  transfer_length: u32,
  transfer_flags: u32,
  data_mode: u32,
  buffer_offset: u32,
  setup: octets(8),
  interval: u32,
  /** 1.1: of a bulk endpoint with streams, else 0. */
  stream_id: u32,
  reserved: octets(16),
});
/** The setup packet, from the start of the message. */
export const SETUP_AT = 0x40;

export const UrbComplete = littleEndian("URB_COMPLETE", {
  device_id: u32,
  endpoint: u32,
  status: s32,
  actual_length: u32,
  data_mode: u32,
  buffer_offset: u32,
  reserved: octets(40),
});

/** Fixed part of URB_SUBMIT and URB_COMPLETE; inline data follow. */
export const URB_SIZE = BODY + UrbSubmit.size;

export const Direction = { OUT: 0, IN: 1 } as const;
export const DataMode = { NONE: 0, BUFFER: 1, INLINE: 2 } as const;

/** Bits of transfer_flags: those of Linux (linux: include/linux/usb.h). */
export const TransferFlag = { SHORT_NOT_OK: 0x0001, ISO_ASAP: 0x0002, ZERO_PACKET: 0x0040 } as const;

export const CancelAck = littleEndian("URB_CANCEL_ACK", { status: s32, reserved: octets(12) });

export const IsoSubmit = littleEndian("ISO_SUBMIT", {
  device_id: u32,
  endpoint: u32,
  direction: u32,
  number_of_packets: u32,
  start_frame: u32,
  buffer_offset: u32,
  total_length: u32,
  /** 1.1; `TransferFlag`. */
  transfer_flags: u32,
});
export const IsoRequest = littleEndian("packet of ISO_SUBMIT", { offset: u32, length: u32 });

export const IsoComplete = littleEndian("ISO_COMPLETE", {
  device_id: u32,
  endpoint: u32,
  status: s32,
  error_count: u32,
  number_of_packets: u32,
  /** 1.1: the frame in which it began. */
  start_frame: u32,
  reserved: octets(8),
});
export const IsoResult = littleEndian("packet of ISO_COMPLETE", { actual_length: u32, status: s32 });

/** Fixed part of ISO_SUBMIT and ISO_COMPLETE; packets follow. */
export const ISO_SIZE = BODY + IsoSubmit.size;

export const StatsResponse = littleEndian("STATS_RESPONSE", {
  device_id: u32,
  reserved: u32,
  urbs_submitted: u32,
  urbs_submitted_high: u32,
  urbs_completed: u32,
  urbs_completed_high: u32,
  urbs_cancelled: u32,
  urbs_cancelled_high: u32,
  urbs_failed: u32,
  urbs_failed_high: u32,
  bytes_out: u32,
  bytes_out_high: u32,
  bytes_in: u32,
  bytes_in_high: u32,
  inline_submits: u32,
  inline_submits_high: u32,
  batch_submits: u32,
  batch_submits_high: u32,
  rate_limit_hits: u32,
  rate_limit_hits_high: u32,
  validation_failures: u32,
  validation_failures_high: u32,
  ring_full: u32,
  ring_full_high: u32,
  p50_us: u32,
  p99_us: u32,
  ring_percent: u32,
  buffer_percent: u32,
  pad: octets(8),
});
