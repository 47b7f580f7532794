import { readlinkSync } from "node:fs";
import { endianness } from "node:os";
import { basename, join } from "node:path";
import { libc } from "../../linux/libc.ts";
import { SystemError } from "../../linux/system-error.ts";
import type { OpenError } from "../../usb/device.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { failedRefusal, nameOf } from "../device-refusal.ts";
import type { ClaimKeeper } from "../driver-claim.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { RealDevice } from "../real-device.ts";
import type { Carriage, SystemDevice } from "../system-device.ts";
import { KernelUrbs } from "./kernel-urb.ts";
import { MappedPool } from "./mapped-pool.ts";
import { takenRefusal } from "./open-refusal.ts";
import { Capability } from "./usbdevfs.ts";
import { UsbfsCalls } from "./usbfs-calls.ts";

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

/** Most bytes of one kernel URB: where the controller takes pages that lie apart, and where it needs them in one piece. */
const PART_BYTES = { scattered: 1 << 20, adjacent: 128 << 10 };

/** Where mapped memory is cached as any other is; elsewhere it may not be, and reading it would take long. */
const MAPS = process.arch === "x64";

/** A real device, through Linux's usbfs (/dev/bus/usb). */
export class UsbfsDevice extends RealDevice<UsbfsCalls> {
  readonly #options: UsbfsOptions;

  /** The kernel copies OUT data in the call that submits it. */
  readonly takesLentData = true;

  constructor(hardware: HardwareDevice, options: UsbfsOptions = {}) {
    super(hardware, options.claims);
    this.#options = options;
  }

  protected prepare(): SystemDevice<UsbfsCalls> | OpenError {
    const driver = driverOf(this.hardware);
    if (driver !== undefined) return takenRefusal(this.hardware, driver);
    const c = libc();
    if (c instanceof SystemError) return failedRefusal(this.hardware, c);
    if (c.pointerSize !== 8 || endianness() !== "LE")
      return failedRefusal(this.hardware, { message: UNKNOWN_LAYOUT });
    const calls = UsbfsCalls.of(this.hardware, this.#options.opened);
    if (calls instanceof SystemError) return failedRefusal(this.hardware, calls);
    const urbs = KernelUrbs.open(c);
    if (urbs instanceof SystemError) {
      calls.free();
      return failedRefusal(this.hardware, urbs);
    }
    return new UsbfsNode(calls, urbs);
  }

  protected noMemory(): void {
    this.#options.warn?.(
      "USBFS_MEMORY",
      `${nameOf(this.hardware)}: the kernel gives usbfs no more memory, so fewer transfers are in flight, or some end as ` +
        "no memory. Raise the limit, in MiB, in /sys/module/usbcore/parameters/usbfs_memory_mb: " +
        "`echo 1000 | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb`.",
    );
  }
}

/** A device node. */
class UsbfsNode implements SystemDevice<UsbfsCalls> {
  readonly calls: UsbfsCalls;
  readonly #urbs: KernelUrbs;

  constructor(calls: UsbfsCalls, urbs: KernelUrbs) {
    this.calls = calls;
    this.#urbs = urbs;
  }

  carry(noMemory: () => void): Carriage<UsbfsCalls> {
    const { fd, capabilities } = this.calls;
    this.#urbs.use(fd, noMemory);
    const isScattered = (capabilities & Capability.BULK_SCATTER_GATHER) !== 0;
    const isMapped = MAPS && (capabilities & Capability.MMAP) !== 0;
    return {
      table: this.#urbs,
      partBytes: isScattered ? PART_BYTES.scattered : PART_BYTES.adjacent,
      ...(isMapped && { memory: new MappedPool(fd) }),
    };
  }

  watch(loop: Loop, look: () => void): Cancellable {
    return loop.watch(this.calls.fd, "writable", look);
  }

  free(): void {
    this.#urbs.close();
    this.calls.free();
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
