import { u8, u16 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** Setup packet (USB 2.0 §9.3, table 9-2). */
export const Setup = littleEndian("setup packet", {
  bmRequestType: u8,
  bRequest: u8,
  wValue: u16,
  wIndex: u16,
  wLength: u16,
});

/** Parts of bmRequestType (USB 2.0 table 9-2). */
export const REQUEST_DIRECTION_IN = 0x80;
export const REQUEST_KIND_MASK = 0x60;
export const RequestKind = { standard: 0x00, class: 0x20, vendor: 0x40 } as const;
export const REQUEST_RECIPIENT_MASK = 0x1f;
export const Recipient = { device: 0, interface: 1, endpoint: 2, other: 3 } as const;

/** bRequest of standard requests (USB 2.0 table 9-4, USB 3.2 table 9-5). */
export const StandardRequest = {
  GET_STATUS: 0,
  CLEAR_FEATURE: 1,
  SET_FEATURE: 3,
  SET_ADDRESS: 5,
  GET_DESCRIPTOR: 6,
  SET_DESCRIPTOR: 7,
  GET_CONFIGURATION: 8,
  SET_CONFIGURATION: 9,
  GET_INTERFACE: 10,
  SET_INTERFACE: 11,
  SYNCH_FRAME: 12,
  SET_SEL: 48,
  SET_ISOCH_DELAY: 49,
} as const;

/** Feature selectors (USB 2.0 table 9-6, USB 3.2 table 9-7). */
export const Feature = {
  ENDPOINT_HALT: 0,
  FUNCTION_SUSPEND: 0,
  DEVICE_REMOTE_WAKEUP: 1,
  U1_ENABLE: 48,
  U2_ENABLE: 49,
  LTM_ENABLE: 50,
} as const;
