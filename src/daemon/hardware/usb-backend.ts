import type { DeviceWatch, WatchListener } from "../../hardware/device-watch.ts";
import type { ClaimKeeper } from "../../hardware/driver-claim.ts";
import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import { enumerate as enumerateByLibusb } from "../../hardware/libusb/enumeration.ts";
import { LibusbWatch } from "../../hardware/libusb/hotplug.ts";
import { libusb } from "../../hardware/libusb/library.ts";
import { LibusbDevice } from "../../hardware/libusb/libusb-device.ts";
import { enumerate as enumerateBySysfs } from "../../hardware/usbfs/enumeration.ts";
import { HardwareWatch } from "../../hardware/usbfs/hotplug.ts";
import { UsbfsDevice } from "../../hardware/usbfs/usbfs-device.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import type { Log } from "../log.ts";
import type { MachineRoots } from "./machine-roots.ts";

export const USB_BACKENDS = ["usbfs", "libusb"] as const;
export type UsbBackendName = (typeof USB_BACKENDS)[number];

/** By what the devices of this machine are known and used. */
export interface UsbBackend {
  readonly name: UsbBackendName;
  /** Of the library, as far as there is one. */
  readonly version?: string | undefined;
  readonly watch: (roots: MachineRoots, loop: Loop, listener: WatchListener) => Promise<DeviceWatch | Error>;
  readonly enumerate: (roots: MachineRoots) => Promise<readonly HardwareDevice[]>;
  /** A device as a source; nothing is opened yet. */
  readonly source: (device: HardwareDevice, log: Log, claims: ClaimKeeper | undefined) => UsbDevice;
}

const USBFS: UsbBackend = {
  name: "usbfs",
  watch: (roots, loop, listener) => HardwareWatch.start(roots, loop, listener),
  enumerate: (roots) => enumerateBySysfs(roots),
  source: (device, log, claims) => new UsbfsDevice(device, options(device, log, claims)),
};

const LIBUSB: UsbBackend = {
  name: "libusb",
  get version() {
    const library = libusb();
    return library instanceof Error ? undefined : library.version;
  },
  watch: (_, loop, listener) => LibusbWatch.start(loop, listener),
  enumerate: async () => {
    const library = libusb();
    return library instanceof Error ? [] : enumerateByLibusb(library);
  },
  source: (device, log, claims) => new LibusbDevice(device, options(device, log, claims)),
};

/** Of Linux its own interface; of other systems, and where it is asked for, libusb. */
export function usbBackend(
  name: UsbBackendName = process.platform === "linux" ? "usbfs" : "libusb",
): UsbBackend {
  return name === "usbfs" ? USBFS : LIBUSB;
}

function options({ busid }: HardwareDevice, log: Log, claims: ClaimKeeper | undefined) {
  return {
    ...(claims !== undefined && { claims }),
    warn: (code: string, message: string): void => log.warn({ code, busid }, `${code} ${message}`),
  };
}
