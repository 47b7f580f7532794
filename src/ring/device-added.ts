import { DeviceDescriptor } from "../usb/descriptors.ts";
import type { UsbDevice } from "../usb/device.ts";
import { Speed } from "../usb/speed.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { BODY, DeviceAdded } from "./messages.ts";

/** What the host tells of a device. */
export interface AddedDevice {
  readonly id: number;
  readonly speed: Speed;
  readonly configuration: number;
  /** In the form of `UsbDevice.descriptors`. */
  readonly descriptors: Uint8Array;
}

/** Bytes of the DEVICE_ADDED of a device with descriptors of this length, with its header. */
export function deviceAddedSize(descriptors: number): number {
  return BODY + DeviceAdded.size + descriptors - DeviceDescriptor.size;
}

/** The body of DEVICE_ADDED. The descriptors were parsed. */
export function encodeDeviceAdded(
  device_id: number,
  { descriptors, speed, configuration }: Pick<UsbDevice, "descriptors" | "speed" | "configuration">,
): Uint8Array {
  const configurations = descriptors.subarray(descriptors[0]);
  const bytes = new Uint8Array(DeviceAdded.size + configurations.length);
  DeviceAdded.encodeInto(
    {
      device_id,
      vid: DeviceDescriptor.idVendor(descriptors, 0),
      pid: DeviceDescriptor.idProduct(descriptors, 0),
      class: DeviceDescriptor.bDeviceClass(descriptors, 0),
      subclass: DeviceDescriptor.bDeviceSubClass(descriptors, 0),
      protocol: DeviceDescriptor.bDeviceProtocol(descriptors, 0),
      ep0_max_packet: DeviceDescriptor.bMaxPacketSize0(descriptors, 0),
      bcdDevice: DeviceDescriptor.bcdDevice(descriptors, 0),
      numConfigurations: DeviceDescriptor.bNumConfigurations(descriptors, 0),
      speed,
      device_descriptor: descriptors.subarray(0, DeviceDescriptor.size),
      current_configuration: configuration,
      pad: 0,
      config_descriptor_length: configurations.length,
    },
    bytes,
    0,
  );
  bytes.set(configurations, DeviceAdded.size);
  return bytes;
}

/** The device of a DEVICE_ADDED of `length` bytes. The descriptors are copied, and not looked at. */
export function readDeviceAdded(bytes: Uint8Array, length: number): AddedDevice | ProtocolError {
  const id = DeviceAdded.device_id(bytes, BODY);
  const speed = DeviceAdded.speed(bytes, BODY);
  const configurations = DeviceAdded.config_descriptor_length(bytes, BODY);
  const at = BODY + DeviceAdded.size;
  if (speed < Speed.low || speed > Speed.superPlus) {
    return new ProtocolError("BAD_FIELD", `device ${id} has speed ${speed}`);
  }
  if (configurations > length - at) {
    return new ProtocolError("BAD_LENGTH", `${length - at} of ${configurations} bytes of descriptors came`);
  }
  const descriptors = new Uint8Array(DeviceDescriptor.size + configurations);
  descriptors.set(DeviceAdded.device_descriptor(bytes, BODY));
  // Whatever it says, this is how long it is here.
  descriptors[0] = DeviceDescriptor.size;
  descriptors.set(bytes.subarray(at, at + configurations), DeviceDescriptor.size);
  const configuration = DeviceAdded.current_configuration(bytes, BODY);
  return { id, speed: speed as Speed, configuration, descriptors };
}
