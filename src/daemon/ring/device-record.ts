import type { RingDevice } from "../../ring/guest-device.ts";
import { DeviceDescriptor } from "../../usb/descriptors.ts";
import type { DeviceRecordValue } from "../../usbip/pdu.ts";
import { speedCodeOf } from "../../usbip/speed-code.ts";

/** A device that came through memory, as USB/IP describes one. */
export function recordOf(
  busid: string,
  { descriptors, speed, configuration }: RingDevice,
): DeviceRecordValue {
  return {
    path: "",
    busid,
    busnum: 0,
    devnum: 0,
    speed: speedCodeOf(speed),
    idVendor: DeviceDescriptor.idVendor(descriptors, 0),
    idProduct: DeviceDescriptor.idProduct(descriptors, 0),
    bcdDevice: DeviceDescriptor.bcdDevice(descriptors, 0),
    bDeviceClass: DeviceDescriptor.bDeviceClass(descriptors, 0),
    bDeviceSubClass: DeviceDescriptor.bDeviceSubClass(descriptors, 0),
    bDeviceProtocol: DeviceDescriptor.bDeviceProtocol(descriptors, 0),
    bConfigurationValue: configuration,
    bNumConfigurations: DeviceDescriptor.bNumConfigurations(descriptors, 0),
    bNumInterfaces: 0,
  };
}
