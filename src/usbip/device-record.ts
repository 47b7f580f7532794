import { type Configuration, parseDescriptors } from "../usb/descriptor-walk.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { ExportedDevice } from "./exports.ts";
import { DeviceRecord, type DeviceRecordValue, InterfaceRecord } from "./pdu.ts";
import { speedCodeOf } from "./speed-code.ts";

/** bNumInterfaces is one byte. */
const INTERFACES_MAX = 255;

/** What a list and an import reply tell of a device. */
export interface DeviceDescription {
  readonly record: DeviceRecordValue;
  /** Alternate setting 0 of each interface, in descriptor order. */
  readonly interfaces: Configuration["settings"];
}

/**
 * Describes a device by its active configuration, or by its first one while it has none: clients show the
 * interfaces to people who choose a device before it is configured.
 */
export function describeDevice(exported: ExportedDevice): DeviceDescription | ProtocolError {
  const { device } = exported;
  const descriptors = parseDescriptors(device.descriptors);
  if (descriptors instanceof ProtocolError) return descriptors;
  const { configurations } = descriptors;
  const shown =
    configurations.find((c) => c.descriptor.bConfigurationValue === device.configuration) ??
    configurations[0];
  const settings = shown?.settings.filter((setting) => setting.descriptor.bAlternateSetting === 0) ?? [];
  // A broken device may describe more; records beyond the count would be read as the next device of the list.
  const interfaces = settings.slice(0, INTERFACES_MAX);
  const { idVendor, idProduct, bcdDevice, bDeviceClass, bDeviceSubClass, bDeviceProtocol } =
    descriptors.device;
  return {
    record: {
      path: exported.path,
      busid: exported.busid,
      busnum: exported.busnum,
      devnum: exported.devnum,
      speed: speedCodeOf(device.speed),
      idVendor,
      idProduct,
      bcdDevice,
      bDeviceClass,
      bDeviceSubClass,
      bDeviceProtocol,
      bConfigurationValue: device.configuration,
      bNumConfigurations: descriptors.device.bNumConfigurations,
      bNumInterfaces: interfaces.length,
    },
    interfaces,
  };
}

/** Bytes of a device in OP_REP_DEVLIST: the record and its interfaces. */
export function encodeListed({ record, interfaces }: DeviceDescription): Uint8Array {
  const bytes = new Uint8Array(DeviceRecord.size + interfaces.length * InterfaceRecord.size);
  DeviceRecord.encodeInto(record, bytes, 0);
  let at = DeviceRecord.size;
  for (const { descriptor } of interfaces) {
    const { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol } = descriptor;
    InterfaceRecord.encodeInto(
      { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol, padding: 0 },
      bytes,
      at,
    );
    at += InterfaceRecord.size;
  }
  return bytes;
}
