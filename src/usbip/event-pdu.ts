import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import { text, u8, u16, u32 } from "../wire/field.ts";
import { bigEndian, type StructValue } from "../wire/struct.ts";
import { BUSID_SIZE, DeviceRecord, InterfaceRecord, type InterfaceRecordValue } from "./pdu.ts";

/**
 * The one operation that USB/IP lacks and usbferry adds: a host pushes what comes and goes. Laid out in
 * docs/protocols/usbip-events.md; in network byte order as everything around it.
 */

export const EVENTS_VERSION = 1;

/** Follows op_common in OP_REQ_EVENTS. */
export const EventsRequest = bigEndian("OP_REQ_EVENTS", { events_version: u32 });

/** Follows op_common in OP_REP_EVENTS that reports success. */
export const EventsReply = bigEndian("OP_REP_EVENTS", {
  events_version: u16,
  alive_seconds: u16, // the host is never silent for longer
});

/** Stands before each event. */
export const EventHeader = bigEndian("event_header", {
  kind: u16,
  length: u16, // of what follows
  sequence: u32, // 1, 2, 3 and so on
});

export const EventCode = {
  /** A device that is there as the conversation begins. */
  PRESENT: 1,
  /** All that were there have been told. */
  SNAPSHOT_END: 2,
  ADDED: 3,
  /** It is attached or free, or describes itself anew. */
  CHANGED: 4,
  REMOVED: 5,
  /** Nothing has happened, and the host is alive. */
  ALIVE: 6,
} as const;

/**
 * PRESENT, ADDED and CHANGED: this behind a DeviceRecord, then its interfaces, its serial number in UTF-16, and its
 * descriptors.
 */
export const EventDevice = bigEndian("event_device", {
  state: u8,
  serial_units: u8, // 0 where the host does not tell
  descriptors_length: u16, // 0 where the host does not tell
});

export const DeviceState = { FREE: 0, ATTACHED: 1 } as const;

/** The whole of REMOVED. */
export const EventRemoved = bigEndian("event_removed", { busid: text(BUSID_SIZE) });

/** Descriptors that are longer are not told. */
export const DESCRIPTORS_MAX = 8 << 10;

/** Longer is none of the events here: 255 interfaces, the longest serial number, and descriptors. */
export const EVENT_LENGTH_MAX =
  DeviceRecord.size + EventDevice.size + 255 * InterfaceRecord.size + 2 * STRING_UNITS_MAX + DESCRIPTORS_MAX;

/** A device as a host pushes it. */
export interface PushedDevice extends StructValue<(typeof DeviceRecord)["fields"]> {
  readonly interfaces: readonly InterfaceRecordValue[];
  readonly isFree: boolean;
  /** Absent where the host does not tell: then the device itself can be asked. */
  readonly serial?: string;
  /** Of the device and all its configurations, in the form of `UsbDevice`; absent where the host does not tell. */
  readonly descriptors?: Uint8Array;
}
