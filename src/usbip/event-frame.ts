import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { type DeviceDescription, encodeListed } from "./device-record.ts";
import {
  DESCRIPTORS_MAX,
  DeviceState,
  EventDevice,
  EventHeader,
  EventRemoved,
  type PushedDevice,
} from "./event-pdu.ts";
import { DeviceRecord, InterfaceRecord, type InterfaceRecordValue } from "./pdu.ts";

const NOTHING = new Uint8Array(0);

/** What the three events that carry a device have behind their header. */
export function encodeDevice(
  description: DeviceDescription,
  isFree: boolean,
  serial: string | undefined,
  descriptors: Uint8Array,
): Uint8Array {
  const listed = encodeListed(description);
  const told = serial === undefined || serial.length > STRING_UNITS_MAX ? "" : serial;
  const own = descriptors.length > DESCRIPTORS_MAX ? NOTHING : descriptors;
  const body = new Uint8Array(listed.length + EventDevice.size + 2 * told.length + own.length);
  body.set(listed.subarray(0, DeviceRecord.size));
  const state = isFree ? DeviceState.FREE : DeviceState.ATTACHED;
  const counts = { serial_units: told.length, descriptors_length: own.length };
  EventDevice.encodeInto({ state, ...counts }, body, DeviceRecord.size);
  let at = DeviceRecord.size + EventDevice.size;
  body.set(listed.subarray(DeviceRecord.size), at);
  at += listed.length - DeviceRecord.size;
  for (let i = 0; i < told.length; i++) {
    const unit = told.charCodeAt(i);
    body[at + 2 * i] = unit >> 8;
    body[at + 2 * i + 1] = unit;
  }
  body.set(own, at + 2 * told.length);
  return body;
}

export function encodeRemoved(busid: string): Uint8Array {
  return EventRemoved.encode({ busid });
}

/** An event as it travels. */
export function encodeEvent(kind: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(EventHeader.size + body.length);
  EventHeader.encodeInto({ kind, length: body.length, sequence }, bytes, 0);
  bytes.set(body, EventHeader.size);
  return bytes;
}

/** Reads what `encodeDevice` has written, and nothing else: `body` has to be of the length that its counts make. */
export function decodeDevice(body: Uint8Array): PushedDevice | ProtocolError {
  const record = DeviceRecord.decode(body);
  if (record instanceof ProtocolError) return record;
  const device = EventDevice.decode(body, DeviceRecord.size);
  if (device instanceof ProtocolError) return device;
  const { state, serial_units: units, descriptors_length: length } = device;
  const interfacesAt = DeviceRecord.size + EventDevice.size;
  const serialAt = interfacesAt + record.bNumInterfaces * InterfaceRecord.size;
  const descriptorsAt = serialAt + 2 * units;
  if (units > STRING_UNITS_MAX || length > DESCRIPTORS_MAX || body.length !== descriptorsAt + length) {
    const counts = `${record.bNumInterfaces} interfaces, ${units} units of its serial number and ${length} bytes of descriptors`;
    return new ProtocolError("BAD_LENGTH", `a device of ${counts} has ${body.length} bytes`);
  }
  if (state !== DeviceState.FREE && state !== DeviceState.ATTACHED) {
    return new ProtocolError("BAD_FIELD", `a device is in the state ${state}, which is none`);
  }
  const interfaces: InterfaceRecordValue[] = [];
  for (let at = interfacesAt; at < serialAt; at += InterfaceRecord.size) {
    interfaces.push(InterfaceRecord.decode(body, at) as InterfaceRecordValue);
  }
  let serial = "";
  for (let at = serialAt; at < descriptorsAt; at += 2) {
    serial += String.fromCharCode((body[at]! << 8) | body[at + 1]!);
  }
  const isFree = state === DeviceState.FREE;
  return {
    ...record,
    interfaces,
    isFree,
    ...(serial !== "" && { serial }),
    ...(length > 0 && { descriptors: body.slice(descriptorsAt) }),
  };
}
