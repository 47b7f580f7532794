import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { Arrivals, DeviceWatch, WatchListener } from "../device-watch.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { enumerate, isSame } from "./enumeration.ts";
import { followHotplug } from "./hotplug-events.ts";
import { type Libusb, libusb } from "./library.ts";

/** Between two looks where nobody tells: soon after something has happened, and later and later while nothing does. */
const SOON_MS = 500;
const LATEST_MS = 8_000;

/** Follows the devices of this machine by libusb: as it tells, or by looking again and again. */
export class LibusbWatch implements DeviceWatch {
  readonly #libusb: Libusb;
  readonly #loop: Loop;
  readonly #listener: WatchListener;
  readonly #hotplug: Cancellable | undefined;
  #devices: readonly HardwareDevice[] = [];
  #looking: Promise<void> | undefined;
  #isStale = false;
  #timer: Cancellable | undefined;
  #waitMs = SOON_MS;
  #isClosed = false;

  private constructor(library: Libusb, loop: Loop, listener: WatchListener) {
    this.#libusb = library;
    this.#loop = loop;
    this.#listener = listener;
    this.#hotplug = followHotplug(library, loop, () => {
      this.#isStale = true;
      void this.look();
    });
  }

  /** Resolves when the devices that are there have been told as plugged in. */
  static async start(loop: Loop, listener: WatchListener): Promise<LibusbWatch | Error> {
    const library = libusb();
    if (library instanceof Error) return library;
    const watching = new LibusbWatch(library, loop, listener);
    await watching.look();
    watching.#lookLater();
    return watching;
  }

  get arrivals(): Arrivals {
    return this.#hotplug === undefined ? "polling" : "hotplug";
  }

  get devices(): readonly HardwareDevice[] {
    return this.#devices;
  }

  /** One look serves all who ask meanwhile. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#hotplug?.cancel();
  }

  async #lookAll(): Promise<void> {
    do {
      this.#isStale = false;
      // oxlint-disable-next-line no-await-in-loop -- once more if libusb has told of something meanwhile
      const found = await enumerate(this.#libusb, this.#devices);
      if (!this.#isClosed) this.#found(found);
    } while (this.#isStale && !this.#isClosed);
  }

  #found(found: readonly HardwareDevice[]): void {
    const before = this.#devices;
    this.#devices = found;
    const gone = before.filter((each) => !found.some((other) => isSame(each, other)));
    for (const device of gone) this.#listener.unplugged(device);
    let hasChanged = gone.length > 0;
    for (const device of found) {
      const known = before.find((each) => isSame(each, device));
      if (known === undefined) this.#listener.plugged(device);
      else if (known.configuration !== device.configuration) this.#listener.changed(device);
      hasChanged ||= known === undefined;
    }
    this.#waitMs = hasChanged ? SOON_MS : Math.min(this.#waitMs * 2, LATEST_MS);
  }

  #lookLater(): void {
    if (this.#hotplug !== undefined || this.#isClosed) return;
    this.#timer = this.#loop.after(this.#waitMs, () => {
      void this.look().then(() => this.#lookLater());
    });
  }
}
