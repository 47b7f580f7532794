import { printAddress } from "../links/address.ts";
import { dial } from "../links/dial.ts";
import type { Link } from "../links/link.ts";
import type { LinkOptions } from "../links/listen.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import type { Exports } from "../usbip/exports.ts";
import { BackOff } from "./back-off.ts";
import { failureKind } from "./failure.ts";
import type { Host } from "./host.ts";
import type { Log } from "./log.ts";
import { type Place, seenFromThere } from "./place.ts";

/** A device that is kept for so long has arrived; one that is given back sooner was asked, or could not be used. */
const KEPT_MS = 2_000;

/** How soon a device that has become free is brought. */
const LOOK_MS = 500;

/**
 * Dials a waiting guest, again and again: one connection for each device that is free. The guest speaks first on
 * it, as on any other.
 */
export class Dialler {
  readonly #place: Place;
  readonly #host: Host;
  readonly #exports: Exports;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #options: LinkOptions;
  readonly #waits: BackOff;
  /** Imports without a wait between them: a guest that gives everything back at once must not keep us busy. */
  #inRow = 0;
  #timer: Cancellable | undefined;
  #unwatch: (() => void) | undefined;
  #told = false;
  /** A connection is being made, or has no device yet. */
  #dialling = false;
  #stopped = false;

  constructor(
    place: Place,
    host: Host,
    exports: Exports,
    loop: Loop,
    log: Log,
    random?: () => number,
    trust?: TlsTrust,
  ) {
    this.#place = place;
    this.#host = host;
    this.#exports = exports;
    this.#loop = loop;
    this.#log = log;
    this.#waits = new BackOff(random);
    this.#options = trust === undefined ? {} : { trust };
  }

  start(): void {
    this.#next(0);
  }

  /** Connections that exist are the host's to end. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#unwatch?.();
  }

  #next(delayMs: number): void {
    if (this.#dialling) return;
    this.#timer?.cancel();
    this.#timer = this.#stopped
      ? undefined
      : this.#loop.after(delayMs, () => {
          this.#timer = undefined;
          if (delayMs > 0) this.#inRow = 0;
          if (this.#isForAll || this.#hasFree()) void this.#dial();
          else this.#waitForFree();
        });
  }

  #waitForFree(): void {
    this.#unwatch?.();
    this.#unwatch = this.#exports.watch?.(() => {
      if (!this.#hasFree()) return;
      this.#unwatch?.();
      this.#unwatch = undefined;
      this.#next(LOOK_MS);
    });
    if (this.#unwatch === undefined) this.#next(LOOK_MS);
  }

  /** Over WSL-USB one connection brings every device, also those that come later. */
  get #isForAll(): boolean {
    return this.#place.protocol === "wslusb";
  }

  #hasFree(): boolean {
    for (const { attached } of this.#exports.devices()) if (!attached) return true;
    return false;
  }

  #count(): number {
    return Array.from(this.#exports.devices()).length;
  }

  async #dial(): Promise<void> {
    this.#dialling = true;
    let link: Link;
    try {
      link = await dial(this.#place, this.#options);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#dialling = false;
      this.#tellOnce((error as Error).message);
      this.#backOff();
      return;
    }
    if (this.#stopped) {
      link.destroy();
      return;
    }
    let importedMs: number | undefined;
    const watcher = {
      imported: () => {
        importedMs ??= this.#loop.now();
        this.#told = false;
        if (this.#isForAll) return;
        this.#dialling = false;
        this.#inRow++;
        if (this.#inRow < this.#count()) this.#next(0);
        else this.#backOff();
      },
      finished: () => {
        // Lost after it had worked: the guest may be back at once. Refused: it wants none of what is free.
        if (importedMs === undefined || this.#isForAll) this.#dialling = false;
        if (importedMs !== undefined && this.#loop.now() - importedMs >= KEPT_MS) this.#waits.reset();
        this.#backOff();
      },
    };
    if (this.#host.accept(link, watcher, this.#place.protocol)) return;
    this.#dialling = false;
    this.#backOff();
  }

  #backOff(): void {
    this.#next(this.#waits.nextMs());
  }

  #tellOnce(reason: string): void {
    if (this.#told) return;
    this.#told = true;
    const address = printAddress(this.#place);
    this.#log.warn(
      { code: "DIAL_FAILED", peer: address },
      `DIAL_FAILED ${reason} It is dialled again until a guest waits there (usbferry attach --listen ${seenFromThere(this.#place, "listens")}).`,
    );
  }
}
