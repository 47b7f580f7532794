import { DeviceDescriptor } from "./descriptors.ts";
import type { OpenError, UsbDevice, UsbHost } from "./device.ts";
import type { EndpointMap } from "./endpoint-map.ts";
import type { Loop } from "./loop.ts";
import type { Speed } from "./speed.ts";
import { readString } from "./string-reading.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "./urb.ts";

const { ok, disconnected } = TransferStatus;
const { control } = TransferType;

type OwnRequest = (status: TransferStatus, bytes: Uint8Array) => void;

/** How long a host may take over a request of ours. */
const OWN_REQUEST_MS = 5_000;

/**
 * A device on the far side of a protocol that describes it as soon as it is there, until it is gone. Who has it open, what
 * ends without the host, and requests of our own; how URBs get there is the protocol's. `close` keeps it; the next `open`
 * resets it.
 */
export abstract class FarDevice implements UsbDevice {
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  /** OUT data are copied on their way. */
  readonly takesLentData = true;
  readonly #map: EndpointMap;
  readonly #loop: Loop;
  readonly #whyGone: OpenError;
  readonly #own = new Map<Urb, OwnRequest>();
  /** Over without the host, to be told outside of `submit` and `cancel`. */
  readonly #finished: Urb[] = [];
  #finishIsDue = false;
  readonly #whenIdle: (() => void)[] = [];
  #host: UsbHost | undefined;
  #isTaken = false;
  #wasOpen = false;
  #isGone = false;

  /** `whyGone` refuses who opens it then. */
  constructor(speed: Speed, descriptors: Uint8Array, map: EndpointMap, loop: Loop, whyGone: OpenError) {
    this.speed = speed;
    this.descriptors = descriptors;
    this.#map = map;
    this.#loop = loop;
    this.#whyGone = whyGone;
  }

  abstract submit(urb: Urb): void;
  abstract cancel(urb: Urb): void;

  /** URBs that `finish` has not ended, those of our own included. */
  protected abstract inFlight(): Iterable<Urb>;
  /** Sends what is due. */
  protected abstract send(): void;
  protected abstract resetThere(done: (status: TransferStatus) => void): void;

  get configuration(): number {
    return this.#map.configuration;
  }

  /** The host has it no longer, or cannot be reached. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Asks for its serial number: empty if it has none, nothing if it does not answer. */
  readSerialNumber(done: (serial: string | undefined) => void): void {
    const index = DeviceDescriptor.iSerialNumber(this.descriptors, 0);
    if (index === 0) done("");
    else readString((setup, length, answer) => this.#request(setup, length, answer), index, done);
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.#isGone) {
      done(this.#whyGone);
    } else if (this.#isTaken) {
      done({ reason: "busy", message: "the device is in use; detach it where it is attached first" });
    } else {
      this.#isTaken = true;
      const opened = (): void => {
        if (this.#isGone) done(this.#whyGone);
        else {
          this.#host = host;
          done();
        }
      };
      if (this.#wasOpen) this.reset(opened);
      else opened();
      this.#wasOpen = true;
    }
  }

  flush(): void {
    this.send();
    this.#tellFinished();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#cancelAll(() => {
      if (this.#isGone) {
        done(disconnected);
        return;
      }
      this.resetThere((status) => {
        if (status === ok) this.#map.configure(0);
        done(status);
      });
    });
  }

  close(done: () => void): void {
    this.#cancelAll(() => {
      this.#host = undefined;
      this.#isTaken = false;
      done();
    });
  }

  /** It has ended, and its results stand in it. */
  protected complete(urb: Urb): void {
    const own = this.#own.size === 0 ? undefined : this.#own.get(urb);
    if (own !== undefined) {
      this.#own.delete(urb);
      own(urb.status, urb.buffer.subarray(0, urb.actualLength));
    } else {
      if (urb.type === control && urb.status === ok) this.#map.completed(urb.setup);
      this.#host?.complete(urb);
    }
    if (this.#whenIdle.length > 0) this.#checkIdle();
  }

  /** Ends it without an answer of the host. */
  protected finish(urb: Urb, status: TransferStatus): void {
    urb.status = status;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.complete(urb);
  }

  /** The same from within `submit` and `cancel`. */
  protected finishSoon(urb: Urb, status: TransferStatus): void {
    urb.status = status;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.#finished.push(urb);
    if (this.#finishIsDue) return;
    this.#finishIsDue = true;
    this.#loop.soon(() => {
      this.#finishIsDue = false;
      this.#tellFinished();
    });
  }

  /** It is not the host's to answer for any more. `finishAll` ends what is in flight. */
  protected end(finishAll: () => void): void {
    this.#isGone = true;
    this.#tellFinished();
    finishAll();
    const host = this.#host;
    this.#host = undefined;
    host?.unplugged();
    this.#checkIdle();
  }

  #tellFinished(): void {
    if (this.#finished.length === 0) return;
    for (const urb of this.#finished.splice(0)) this.complete(urb);
  }

  /** A control request of our own, which ends by itself when the host is silent. */
  #request(setup: Uint8Array, length: number, done: OwnRequest): void {
    const urb = createUrb(0);
    urb.endpoint = 0x80;
    urb.setup.set(setup);
    urb.buffer = new Uint8Array(length);
    urb.length = length;
    const timer = this.#loop.after(OWN_REQUEST_MS, () => {
      this.cancel(urb);
      this.flush();
    });
    this.#own.set(urb, (status, bytes) => {
      timer.cancel();
      done(status, bytes);
    });
    this.submit(urb);
    this.flush();
  }

  #cancelAll(then: () => void): void {
    this.#whenIdle.push(then);
    for (const urb of Array.from(this.inFlight())) if (!this.#own.has(urb)) this.cancel(urb);
    this.flush();
    this.#checkIdle();
  }

  /** Requests of our own do not hold up a sink. */
  #checkIdle(): void {
    if (this.#finished.length > 0 || this.#whenIdle.length === 0) return;
    for (const urb of this.inFlight()) if (!this.#own.has(urb)) return;
    for (const then of this.#whenIdle.splice(0)) then();
  }
}
