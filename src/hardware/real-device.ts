import { parseDescriptors } from "../usb/descriptor-walk.ts";
import type { BufferPool, OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import type { TransferStatus, Urb } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { DeviceCalls } from "./device-calls.ts";
import { busyRefusal, failedRefusal, goneRefusal } from "./device-refusal.ts";
import type { ClaimKeeper } from "./driver-claim.ts";
import type { HardwareDevice } from "./hardware-device.ts";
import { OpenDevice } from "./open-device.ts";
import type { SystemDevice } from "./system-device.ts";

/**
 * A device of this machine. While it is open all its interfaces are ours; `close` gives them back to the drivers that had
 * them.
 */
export abstract class RealDevice<C extends DeviceCalls = DeviceCalls> implements UsbDevice {
  protected readonly hardware: HardwareDevice;
  readonly #claims: ClaimKeeper | undefined;
  #device: OpenDevice<C> | undefined;
  /** Of the last time it was open: a sink gives back what it still sends. */
  #memory: BufferPool | undefined;
  #isGone = false;

  readonly takesSharedData = true;

  constructor(hardware: HardwareDevice, claims: ClaimKeeper | undefined) {
    this.hardware = hardware;
    this.#claims = claims;
  }

  /** What it takes to open it; nothing of the device is touched. */
  protected abstract prepare(loop: Loop): SystemDevice<C> | OpenError;

  /** The system has no memory for a URB, for the first time since the device was opened. */
  protected abstract noMemory(): void;

  get speed(): Speed {
    return this.hardware.speed;
  }

  get descriptors(): Uint8Array {
    return this.hardware.descriptors;
  }

  /** While it is open: what the sink has made active. A device that was reset counts as unconfigured. */
  get configuration(): number {
    return this.#device?.configuration ?? this.hardware.configuration;
  }

  get memory(): BufferPool | undefined {
    return this.#memory;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.#isGone) {
      done(goneRefusal(this.hardware));
      return;
    }
    if (this.#device !== undefined) {
      done(busyRefusal(this.hardware));
      return;
    }
    const descriptors = parseDescriptors(this.hardware.descriptors);
    if (descriptors instanceof ProtocolError) {
      done(failedRefusal(this.hardware, descriptors));
      return;
    }
    const system = this.prepare(loop);
    if ("reason" in system) {
      done(system);
      return;
    }
    let hasTold = false;
    const noMemory = (): void => {
      if (!hasTold) this.noMemory();
      hasTold = true;
    };
    const device = new OpenDevice(this.hardware, descriptors, host, loop, system, this.#claims, noMemory);
    this.#device = device;
    device.open((refused) => {
      if (refused !== undefined) this.#device = undefined;
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
      this.#device = undefined;
      done();
    });
  }
}
