import type { ForeignLibrary } from "../../linux/foreign-library.ts";
import {
  CONFIGURATION_BYTES,
  ConfigurationField,
  ENDPOINT_BYTES,
  EndpointField,
  INTERFACE_BYTES,
  InterfaceField,
  SETTING_BYTES,
  SettingField,
} from "./abi.ts";

type Memory = Pick<ForeignLibrary, "view">;

/** Of a configuration and of an interface descriptor, as they are sent (USB 2.0 §9.6.3, §9.6.5). */
const PLAIN_BYTES = 9;
/** Most of an endpoint descriptor that libusb keeps: those of audio have two more than the others. */
const ENDPOINT_MOST = 9;
const TOTAL_LENGTH_AT = 2;

/**
 * A configuration as the device sends it, from the tree that libusb has made of it: descriptors that it does not know stand
 * behind the one that they followed. Alternate settings of one interface come one after the other.
 */
export function configurationBytes(memory: Memory, address: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  const tree = struct(memory, address, CONFIGURATION_BYTES);
  pieces.push(piece(memory, address, PLAIN_BYTES), extra(memory, tree, ConfigurationField));
  const interfaceCount = tree.getUint8(ConfigurationField.interfaceCount);
  for (let i = 0; i < interfaceCount; i++) {
    const at = pointer(tree, ConfigurationField.interfaces) + i * INTERFACE_BYTES;
    const settings = struct(memory, at, INTERFACE_BYTES);
    const settingCount = settings.getInt32(InterfaceField.settingCount, true);
    for (let j = 0; j < settingCount; j++) {
      pieces.push(...settingBytes(memory, pointer(settings, InterfaceField.settings) + j * SETTING_BYTES));
    }
  }
  const bytes = joined(pieces);
  // Of a tail that libusb could not read nothing is left.
  new DataView(bytes.buffer).setUint16(TOTAL_LENGTH_AT, bytes.length, true);
  return bytes;
}

function settingBytes(memory: Memory, address: number): Uint8Array[] {
  const setting = struct(memory, address, SETTING_BYTES);
  const pieces = [piece(memory, address, PLAIN_BYTES), extra(memory, setting, SettingField)];
  const endpointCount = setting.getUint8(SettingField.endpointCount);
  for (let i = 0; i < endpointCount; i++) {
    const at = pointer(setting, SettingField.endpoints) + i * ENDPOINT_BYTES;
    const endpoint = struct(memory, at, ENDPOINT_BYTES);
    const length = Math.min(endpoint.getUint8(0), ENDPOINT_MOST);
    pieces.push(piece(memory, at, length), extra(memory, endpoint, EndpointField));
  }
  return pieces;
}

function struct(memory: Memory, address: number, length: number): DataView {
  return new DataView(memory.view(address, length));
}

function piece(memory: Memory, address: number, length: number): Uint8Array {
  return length === 0 ? new Uint8Array(0) : new Uint8Array(memory.view(address, length)).slice();
}

function extra(
  memory: Memory,
  owner: DataView,
  field: { readonly extra: number; readonly extraLength: number },
): Uint8Array {
  return piece(memory, pointer(owner, field.extra), owner.getInt32(field.extraLength, true));
}

function pointer(owner: DataView, at: number): number {
  return Number(owner.getBigUint64(at, true));
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of pieces) {
    bytes.set(each, at);
    at += each.length;
  }
  return bytes;
}
