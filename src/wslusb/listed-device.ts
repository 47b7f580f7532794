import { ProtocolError } from "../wire/protocol-error.ts";
import { MAX_LISTED } from "./limits.ts";
import {
  DeviceInfo,
  type DeviceInfoValue,
  EnumerationResponse,
  InterfaceInfo,
  type InterfaceInfoValue,
  isEnded,
} from "./messages.ts";

/** A device as a host lists it. */
export interface ListedDevice extends DeviceInfoValue {
  readonly interfaces: readonly InterfaceInfoValue[];
}

/** The longest that one can be. */
export const LISTED_MAX = DeviceInfo.size + 255 * InterfaceInfo.size;

/** The longest list. */
export const LIST_MAX = EnumerationResponse.size + MAX_LISTED * LISTED_MAX;

/** Of `instance_id`, `description` and `serial`. */
const TEXT_ENDS = [256, 512, DeviceInfo.size] as const;

/** A device that begins at `at`. */
export function readListed(bytes: Uint8Array, at: number): ListedDevice | ProtocolError {
  const info = DeviceInfo.decode(bytes, at);
  if (info instanceof ProtocolError) return info;
  if (!TEXT_ENDS.every((end) => isEnded(bytes, at + end))) {
    return new ProtocolError("BAD_FIELD", "a text of a DeviceInfo does not end with NUL");
  }
  const interfaces: InterfaceInfoValue[] = [];
  for (let i = 0; i < info.interface_count; i++) {
    const value = InterfaceInfo.decode(bytes, at + DeviceInfo.size + i * InterfaceInfo.size);
    if (value instanceof ProtocolError) return value;
    interfaces.push(value);
  }
  return { ...info, interfaces };
}

export function listedSize({ interfaces }: ListedDevice): number {
  return DeviceInfo.size + interfaces.length * InterfaceInfo.size;
}

/** All of a DeviceEnumeration response. */
export function readList(bytes: Uint8Array): readonly ListedDevice[] | ProtocolError {
  const count = EnumerationResponse.count(bytes, 0);
  if (count > MAX_LISTED) return new ProtocolError("BAD_LENGTH", `${count} devices are listed`);
  const devices: ListedDevice[] = [];
  let at: number = EnumerationResponse.size;
  while (devices.length < count) {
    const device = readListed(bytes, at);
    if (device instanceof ProtocolError) return device;
    devices.push(device);
    at += listedSize(device);
  }
  if (at === bytes.length) return devices;
  return new ProtocolError("BAD_LENGTH", `${bytes.length - at} bytes follow the last of ${count} devices`);
}
