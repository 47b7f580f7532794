import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { Speed } from "../../usb/speed.ts";
import type { PushedDevice } from "../../usbip/event-pdu.ts";
import type { DeviceRecordValue } from "../../usbip/pdu.ts";
import { speedCodeOf } from "../../usbip/speed-code.ts";
import type { WslusbDevice } from "../../wslusb/client-device.ts";
import type { ListedDevice } from "../../wslusb/listed-device.ts";

const SPEEDS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5] satisfies readonly Speed[]);
const UNKNOWN_SPEED = 0;

/** A device of a WSL-USB host in the words of USB/IP, which the guest side speaks. It has no numbers there. */
export function asPushed(listed: ListedDevice): PushedDevice {
  const { serial } = listed;
  return {
    path: listed.description,
    busid: listed.instance_id,
    busnum: 0,
    devnum: 0,
    speed: SPEEDS.has(listed.speed) ? speedCodeOf(listed.speed as Speed) : UNKNOWN_SPEED,
    idVendor: listed.vid,
    idProduct: listed.pid,
    bcdDevice: listed.bcdDevice,
    bDeviceClass: listed.class,
    bDeviceSubClass: listed.subclass,
    bDeviceProtocol: listed.protocol,
    bConfigurationValue: listed.current_configuration,
    bNumConfigurations: listed.configuration_count,
    bNumInterfaces: listed.interface_count,
    interfaces: listed.interfaces.map((each) => ({
      bInterfaceClass: each.class,
      bInterfaceSubClass: each.subclass,
      bInterfaceProtocol: each.protocol,
      padding: 0,
    })),
    isFree: listed.is_attached === 0,
    ...(serial !== "" && { serial }),
  };
}

/** The record of a device that is attached, by its descriptors. */
export function recordOf(device: WslusbDevice): DeviceRecordValue {
  const { descriptors } = device;
  return {
    path: "",
    busid: device.busid,
    busnum: 0,
    devnum: 0,
    speed: speedCodeOf(device.speed),
    idVendor: DeviceDescriptor.idVendor(descriptors, 0),
    idProduct: DeviceDescriptor.idProduct(descriptors, 0),
    bcdDevice: DeviceDescriptor.bcdDevice(descriptors, 0),
    bDeviceClass: DeviceDescriptor.bDeviceClass(descriptors, 0),
    bDeviceSubClass: DeviceDescriptor.bDeviceSubClass(descriptors, 0),
    bDeviceProtocol: DeviceDescriptor.bDeviceProtocol(descriptors, 0),
    bConfigurationValue: device.configuration,
    bNumConfigurations: DeviceDescriptor.bNumConfigurations(descriptors, 0),
    bNumInterfaces: 0,
  };
}
