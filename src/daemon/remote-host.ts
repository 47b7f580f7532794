import type { RingFigures } from "../ring/ring-figures.ts";
import type { UsbDevice } from "../usb/device.ts";
import type { ListedDevice } from "../usbip/device-list.ts";
import type { DeviceRecordValue } from "../usbip/pdu.ts";
import type { SessionEnd } from "./session-end.ts";

/** A device that a host has given to us, for as long as it and the connection to it live. */
export interface RemoteDevice {
  readonly record: DeviceRecordValue;
  readonly peer: string;
  /** What it came through, if that is shared memory. */
  readonly ring?: RingFigures | undefined;
  /** Why it is over, once it is. */
  readonly ended: Promise<SessionEnd>;
  /** Gives the device back to its host; `ended` follows. */
  close(end: SessionEnd): void;
}

/** A device that can tell its serial number. */
export interface QuestionableDevice extends UsbDevice {
  /** Empty if it has none, nothing if it does not answer. */
  readSerialNumber(done: (serial: string | undefined) => void): void;
}

/** A device that is described and can be opened, and what holds it. */
export interface ReadyImport {
  readonly remote: RemoteDevice;
  readonly device: QuestionableDevice;
  /** Where it is used before the host has given it: resolves when it has, and rejects with Failed if it does not. */
  readonly given?: Promise<void>;
}

/** A conversation with a host, whatever it speaks: it may list, and then import once. Promises reject with Failed. */
export interface RemoteHost {
  /** Devices that are free. */
  list(): Promise<readonly ListedDevice[]>;
  /**
   * Rejects with Refused if the host keeps the device. Where its descriptors would have to be read, `known` may have those
   * of a device with this record.
   */
  import(busid: string, known?: (record: DeviceRecordValue) => Uint8Array | undefined): Promise<ReadyImport>;
  /** Ends it; an import that was successful stays. */
  close(): void;
}
