import { type InterfaceSetting, parseDescriptors } from "../usb/descriptor-walk.ts";
import { Speed } from "../usb/speed.ts";
import type { DistantDevice } from "../usbip/exports.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { DeviceIdentity } from "./device-event.ts";

/** What a device is, by its descriptors. */
export interface DeviceDescription extends DeviceIdentity {
  readonly speed: string;
  readonly bcdDevice?: string;
  readonly bDeviceClass: number;
  readonly bDeviceSubClass: number;
  readonly bDeviceProtocol: number;
  /** Of its first configuration, each with its first setting. */
  readonly interfaces: readonly {
    readonly bInterfaceClass: number;
    readonly bInterfaceSubClass: number;
    readonly bInterfaceProtocol: number;
  }[];
}

const SPEED_NAMES: Readonly<Record<Speed, string>> = {
  [Speed.low]: "low",
  [Speed.full]: "full",
  [Speed.high]: "high",
  [Speed.super]: "super",
  [Speed.superPlus]: "super-plus",
};

export function deviceDescription(busid: string, device: DistantDevice): DeviceDescription {
  const speed = SPEED_NAMES[device.speed];
  const descriptors = parseDescriptors(device.descriptors);
  if (descriptors instanceof ProtocolError) {
    return { busid, speed, bDeviceClass: 0, bDeviceSubClass: 0, bDeviceProtocol: 0, interfaces: [] };
  }
  const { idVendor, idProduct, bcdDevice, bDeviceClass, bDeviceSubClass, bDeviceProtocol } =
    descriptors.device;
  return {
    busid,
    vid: hex4(idVendor),
    pid: hex4(idProduct),
    speed,
    bcdDevice: hex4(bcdDevice),
    bDeviceClass,
    bDeviceSubClass,
    bDeviceProtocol,
    interfaces: (descriptors.configurations[0]?.settings ?? []).filter(isFirstSetting).map(classOf),
  };
}

/** The part of it that events and sessions carry. */
export function deviceIdentity(busid: string, device: DistantDevice): DeviceIdentity {
  const { vid, pid, speed } = deviceDescription(busid, device);
  return { busid, ...(vid !== undefined && { vid }), ...(pid !== undefined && { pid }), speed };
}

export function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function isFirstSetting({ descriptor }: InterfaceSetting): boolean {
  return descriptor.bAlternateSetting === 0;
}

function classOf({ descriptor }: InterfaceSetting): DeviceDescription["interfaces"][number] {
  const { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol } = descriptor;
  return { bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol };
}
