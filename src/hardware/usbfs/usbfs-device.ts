import { readlinkSync } from "node:fs";
import { endianness } from "node:os";
import { basename, join } from "node:path";
import { libc } from "../../linux/libc.ts";
import { SystemError } from "../../linux/system-error.ts";
import { parseDescriptors } from "../../usb/descriptor-walk.ts";
import type { BufferPool, OpenError, UsbDevice, UsbHost } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import type { Speed } from "../../usb/speed.ts";
import type { TransferStatus, Urb } from "../../usb/urb.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { DeviceCalls } from "./device-calls.ts";
import type { ClaimKeeper } from "./driver-claim.ts";
import { KernelUrbs } from "./kernel-urb.ts";
import { OpenDevice } from "./open-device.ts";
import { busyRefusal, goneRefusal, nameOf, takenRefusal } from "./open-refusal.ts";

export interface UsbfsOptions {
  /**
   * Its node, which somebody else has opened for reading and writing: this process may not be allowed to. It remains the caller's, and
   * open as long as the device is.
   */
  readonly opened?: number;
  /** Without one, drivers do not get back what a process that was killed had taken. */
  readonly claims?: ClaimKeeper;
  /** A limit of this machine was met that a person can raise. Told once for each time the device is open. */
  readonly warn?: (code: "USBFS_MEMORY", message: string) => void;
}

/** See usbdevfs.ts. */
const UNKNOWN_LAYOUT =
  "this machine has other structs than the 64-bit little-endian ones that usbferry knows. Use the kernel's usbip-host here.";

/** The driver that every device has which is not given away as a whole. */
const USUAL_DRIVER = "usb";

/**
 * A real device, through Linux's usbfs (/dev/bus/usb). While it is open all its interfaces are ours; `close` gives them
 * back to the drivers that had them.
 */
export class UsbfsDevice implements UsbDevice {
  readonly #hardware: HardwareDevice;
  readonly #options: UsbfsOptions;
  #device: OpenDevice | undefined;
  /** Of the last time it was open: a sink gives back what it still sends. */
  #memory: BufferPool | undefined;
  #isGone = false;

  /** The kernel copies OUT data in the call that submits it. */
  readonly takesLentData = true;
  readonly takesSharedData = true;

  constructor(hardware: HardwareDevice, options: UsbfsOptions = {}) {
    this.#hardware = hardware;
    this.#options = options;
  }

  get speed(): Speed {
    return this.#hardware.speed;
  }

  get descriptors(): Uint8Array {
    return this.#hardware.descriptors;
  }

  /** While it is open: what the sink has made active. A device that was reset counts as unconfigured. */
  get configuration(): number {
    return this.#device?.configuration ?? this.#hardware.configuration;
  }

  get memory(): BufferPool | undefined {
    return this.#memory;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.#isGone) {
      done(goneRefusal(this.#hardware));
      return;
    }
    if (this.#device !== undefined) {
      done(busyRefusal(this.#hardware));
      return;
    }
    const device = this.#prepare(host, loop);
    if (!(device instanceof OpenDevice)) {
      done(device);
      return;
    }
    this.#device = device;
    device.open((refused) => {
      if (refused !== undefined) this.#forget();
      this.#isGone ||= refused?.reason === "gone";
      this.#memory = device.memory;
      done(refused);
    });
  }

  submit(urb: Urb): void {
    this.#device!.submit(urb);
  }

  cancel(urb: Urb): void {
    this.#device!.cancel(urb);
  }

  flush(): void {
    this.#device!.flush();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#device!.reset(done);
  }

  close(done: () => void): void {
    this.#device!.close(() => {
      this.#isGone = this.#device!.isGone;
      this.#forget();
      done();
    });
  }

  #forget(): void {
    this.#device = undefined;
  }

  #prepare(host: UsbHost, loop: Loop): OpenDevice | OpenError {
    const name = nameOf(this.#hardware);
    const driver = driverOf(this.#hardware);
    if (driver !== undefined) return takenRefusal(this.#hardware, driver);
    const c = libc();
    if (c instanceof SystemError) return failed(name, c);
    if (c.pointerSize !== 8 || endianness() !== "LE") return failed(name, { message: UNKNOWN_LAYOUT });
    const descriptors = parseDescriptors(this.#hardware.descriptors);
    if (descriptors instanceof ProtocolError) return failed(name, descriptors);
    const calls = DeviceCalls.open();
    if (calls instanceof SystemError) return failed(name, calls);
    const urbs = KernelUrbs.open();
    if (urbs instanceof SystemError) {
      calls.close();
      return failed(name, urbs);
    }
    return new OpenDevice(this.#hardware, descriptors, host, loop, c, urbs, calls, this.#options);
  }
}

/** Who has all of it at this moment: usbip-host, say. It has no interfaces then that could be taken from it. */
function driverOf({ path }: HardwareDevice): string | undefined {
  try {
    const driver = basename(readlinkSync(join(path, "driver")));
    return driver === USUAL_DRIVER ? undefined : driver;
  } catch {
    return undefined;
  }
}

function failed(name: string, { message }: { readonly message: string }): OpenError {
  return { reason: "failed", message: `${name} cannot be opened: ${message}` };
}
