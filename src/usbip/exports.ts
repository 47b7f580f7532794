import type { UsbDevice } from "../usb/device.ts";

/** A device that another thread serves: here it can be described, not opened. */
export type DistantDevice = Pick<UsbDevice, "speed" | "descriptors" | "configuration">;

/** A device that this host offers. */
export interface ExportedDevice {
  /** At most 31 characters; what an import names. */
  readonly busid: string;
  /** For people; `usbip list -r` prints it. */
  readonly path: string;
  /** 1..255: the stock tool keeps only the low 8 bits of both. Together they make the devid of every request. */
  readonly busnum: number;
  readonly devnum: number;
  readonly device: UsbDevice | DistantDevice;
  /** True while a session has it: such a device is left out of the list, as the kernel's own server does. */
  readonly attached: boolean;
  /** Of its string descriptor, where this host knows it without asking. */
  readonly serial?: string | undefined;
}

/** A device that a peer may not have, and why, for those who watch the host. */
export interface DeniedDevice {
  readonly denied: string;
}

/** What a server can offer to one peer. */
export interface Exports {
  devices(): Iterable<ExportedDevice>;
  find(busid: string): ExportedDevice | DeniedDevice | undefined;
  /**
   * Calls back inside whatever changes what `devices` answers, or whether one is attached; the answer ends it.
   * Without it, or without an answer, a peer has to ask again and again.
   */
  watch?(changed: () => void): (() => void) | undefined;
}
