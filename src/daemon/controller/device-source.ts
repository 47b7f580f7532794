import type { NodeNumbers } from "../../hardware/usbfs/node-numbers.ts";
import type { UsbDevice } from "../../usb/device.ts";
import { deviceDescription } from "../device-description.ts";

/** A device for a controller, with what stands behind it. */
export interface OpenedSource {
  /** How people name it: that of a gadget is its kind, and may be taken by another one. */
  readonly name: string;
  readonly device: UsbDevice;
  /** Of a real device of this machine. */
  readonly numbers?: NodeNumbers;
  /** What a person has to know to use it. */
  readonly note?: string | undefined;
  /** Gives back what stands behind it, when the controller has closed the device. */
  close(): Promise<void>;
  /** It has left by itself, and was closed. */
  left?(): void;
}

/** What is told of a device of a controller. */
export interface AskedDevice {
  readonly name: string;
  /** As it was asked for. */
  readonly source: string;
  /** Of the root hub, from 1; nothing while the device is away, and plugged in when it comes. */
  readonly port?: number;
  readonly vid?: string;
  readonly pid?: string;
  readonly speed?: string;
  readonly note?: string;
}

export interface PluggedDevice extends AskedDevice {
  readonly port: number;
}

export function pluggedDevice(
  source: string,
  { name, device, note }: OpenedSource,
  port: number,
): PluggedDevice {
  const { vid, pid, speed } = deviceDescription(name, device);
  return {
    name,
    source,
    port,
    ...(vid !== undefined && { vid }),
    ...(pid !== undefined && { pid }),
    speed,
    ...(note !== undefined && { note }),
  };
}
