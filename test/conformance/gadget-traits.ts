import { Speed } from "../../src/usb/speed.ts";
import type { UsbDeviceTraits } from "./usb-device.ts";

/** What `Zero` offers; `direct` is to be overridden where it stands at the end of a connection. */
export function zeroTraits(speed: Speed, pattern: 0 | 63 = 0): UsbDeviceTraits {
  const packet = new Map<Speed, number>([
    [Speed.full, 64],
    [Speed.high, 512],
    [Speed.super, 1024],
  ]).get(speed)!;
  const data = (length: number, size: number = packet) =>
    pattern === 0 ? new Uint8Array(length) : Uint8Array.from({ length }, (_, i) => (i % size) % 63);
  return {
    direct: true,
    source: { configuration: 3, address: 0x81, data },
    sink: { configuration: 3, address: 0x01, data },
    loopback: { configuration: 2, address: 0x81, out: 0x01 },
    silent: { configuration: 2, address: 0x81 },
    isoIn: { configuration: 3, alternate: 1, address: 0x82, data: (length) => data(length, 1024) },
    isoOut: { configuration: 3, alternate: 3, address: 0x02 },
  };
}

export function keyboardTraits(): UsbDeviceTraits {
  return { direct: true, silent: { configuration: 1, address: 0x81 } };
}

export function diskTraits(): UsbDeviceTraits {
  return { direct: true, silent: { configuration: 1, address: 0x81 } };
}

export function serialTraits(): UsbDeviceTraits {
  return { direct: true, silent: { configuration: 1, address: 0x81 } };
}

export function mouseTraits(): UsbDeviceTraits {
  return { direct: true, silent: { configuration: 1, address: 0x81 } };
}

/** Its IN endpoint never sends, its OUT endpoint takes everything. */
export function definedTraits(): UsbDeviceTraits {
  return {
    direct: true,
    silent: { configuration: 1, address: 0x81 },
    sink: { configuration: 1, address: 0x02, data: (length) => new Uint8Array(length) },
  };
}

export function audioTraits(): UsbDeviceTraits {
  return {
    direct: true,
    silent: { configuration: 1, interfaceNumber: 2, alternate: 1, address: 0x82 },
    isoOut: { configuration: 1, interfaceNumber: 1, alternate: 1, address: 0x01 },
  };
}
