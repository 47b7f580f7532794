import { STRING_UNITS_MAX } from "../usb/string-descriptor.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { type DeviceDescription, encodeListed } from "./device-record.ts";
import { DeviceState, EventDevice, EventHeader, EventRemoved, type PushedDevice } from "./event-pdu.ts";
import { DeviceRecord, InterfaceRecord, type InterfaceRecordValue } from "./pdu.ts";

/** What the three events that carry a device have behind their header. */
export function encodeDevice(
  description: DeviceDescription,
  isFree: boolean,
  serial: string | undefined,
): Uint8Array {
  const listed = encodeListed(description);
  const told = serial === undefined || serial.length > STRING_UNITS_MAX ? "" : serial;
  const body = new Uint8Array(listed.length + EventDevice.size + 2 * told.length);
  body.set(listed.subarray(0, DeviceRecord.size));
  const state = isFree ? DeviceState.FREE : DeviceState.ATTACHED;
  EventDevice.encodeInto({ state, serial_units: told.length, reserved: 0 }, body, DeviceRecord.size);
  let at = DeviceRecord.size + EventDevice.size;
  body.set(listed.subarray(DeviceRecord.size), at);
  at += listed.length - DeviceRecord.size;
  for (let i = 0; i < told.length; i++) {
    const unit = told.charCodeAt(i);
    body[at + 2 * i] = unit >> 8;
    body[at + 2 * i + 1] = unit;
  }
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
  const { state, serial_units: units } = device;
  const interfacesAt = DeviceRecord.size + EventDevice.size;
  const serialAt = interfacesAt + record.bNumInterfaces * InterfaceRecord.size;
  if (units > STRING_UNITS_MAX || body.length !== serialAt + 2 * units) {
    return new ProtocolError(
      "BAD_LENGTH",
      `a device of ${record.bNumInterfaces} interfaces and ${units} units of its serial number has ${body.length} bytes`,
    );
  }
  if (state !== DeviceState.FREE && state !== DeviceState.ATTACHED) {
    return new ProtocolError("BAD_FIELD", `a device is in the state ${state}, which is none`);
  }
  const interfaces: InterfaceRecordValue[] = [];
  for (let at = interfacesAt; at < serialAt; at += InterfaceRecord.size) {
    interfaces.push(InterfaceRecord.decode(body, at) as InterfaceRecordValue);
  }
  let serial = "";
  for (let at = serialAt; at < body.length; at += 2) {
    serial += String.fromCharCode((body[at]! << 8) | body[at + 1]!);
  }
  const isFree = state === DeviceState.FREE;
  return { ...record, interfaces, isFree, ...(serial !== "" && { serial }) };
}
