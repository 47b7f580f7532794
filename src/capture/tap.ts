import type { BufferPool, OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import type { TransferStatus, Urb } from "../usb/urb.ts";
import type { Recorder } from "./recorder.ts";

/**
 * A device that can be recorded at any time, also while a sink has it. Without a recorder all that it costs a URB is two
 * looks whether there is one.
 */
export class Tap implements UsbDevice {
  /** Who records; nothing while nobody does. */
  recorders: readonly Recorder[] | undefined;
  readonly #device: UsbDevice;

  constructor(device: UsbDevice) {
    this.#device = device;
  }

  get speed(): Speed {
    return this.#device.speed;
  }

  get descriptors(): Uint8Array {
    return this.#device.descriptors;
  }

  get configuration(): number {
    return this.#device.configuration;
  }

  get memory(): BufferPool | undefined {
    return this.#device.memory;
  }

  get takesLentData(): boolean {
    return this.#device.takesLentData ?? false;
  }

  /** What is recorded then is what the guest had there at the submission, not what it may write meanwhile. */
  get takesSharedData(): boolean {
    return this.#device.takesSharedData ?? false;
  }

  /** Records from now on; the answer ends it. */
  record(recorder: Recorder): () => void {
    this.recorders = [...(this.recorders ?? []), recorder];
    return () => {
      const others = this.recorders?.filter((other) => other !== recorder) ?? [];
      this.recorders = others.length > 0 ? others : undefined;
    };
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    this.#device.open(new TappedHost(this, host), loop, done);
  }

  submit(urb: Urb): void {
    if (this.recorders !== undefined) for (const recorder of this.recorders) recorder.submitted(urb);
    this.#device.submit(urb);
  }

  cancel(urb: Urb): void {
    this.#device.cancel(urb);
  }

  flush(): void {
    this.#device.flush();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#device.reset(done);
  }

  close(done: () => void): void {
    this.#device.close(done);
  }
}

/** The sink that has opened a tapped device. */
class TappedHost implements UsbHost {
  readonly #tap: Tap;
  readonly #host: UsbHost;

  constructor(tap: Tap, host: UsbHost) {
    this.#tap = tap;
    this.#host = host;
  }

  complete(urb: Urb): void {
    const { recorders } = this.#tap;
    if (recorders !== undefined) for (const recorder of recorders) recorder.completed(urb);
    this.#host.complete(urb);
  }

  unplugged(): void {
    this.#host.unplugged();
  }
}
