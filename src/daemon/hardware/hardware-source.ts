import type { HardwareDevice } from "../../hardware/hardware-device.ts";
import type { OpenError, UsbDevice, UsbHost } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";

/** The source of a real device. */
export function hardwareSource({ speed, descriptors, configuration }: HardwareDevice): UsbDevice {
  return {
    speed,
    descriptors,
    configuration,
    open(_host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void) {
      done({ reason: "failed", message: "real devices can be listed and bound, and not used yet" });
    },
    submit() {},
    cancel() {},
    flush() {},
    reset() {},
    close() {},
  };
}
