import { DeviceDescriptor } from "../usb/descriptors.ts";
import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import { readString } from "../usb/string-reading.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound } from "../usb/urb-soundness.ts";
import type { AddedDevice } from "./device-added.ts";
import { MAX_PACKETS, MAX_TRANSFER_LENGTH } from "./limits.ts";
import { type Submission, SubmissionList } from "./submission.ts";

const { ok, disconnected, invalid, noMemory } = TransferStatus;
const { control } = TransferType;

/** What a device of the host asks of the session that it came in. */
export interface GuestDeviceOutput {
  readonly loop: Loop;
  /** Most URBs of a device in flight, as the host has told. */
  readonly maxPending: number;
  readonly hasIso: boolean;
  /** Sends it; nothing if there is no memory for it. */
  submit(device: RingDevice, urb: Urb): Submission | undefined;
  /** One is not sent. */
  refused(status: TransferStatus): void;
  /** Asks the host to end it; if it does not within a second, `giveBack` follows. */
  cancel(submission: Submission): void;
  reset(device: RingDevice, done: (status: TransferStatus) => void): void;
  /** Gives it back to the host; `gone` follows. */
  release(device: RingDevice): void;
  /** Sends what is due. */
  flush(): void;
}

type OwnRequest = (status: TransferStatus, bytes: Uint8Array) => void;

/** How long a host may take over a request of ours. */
const OWN_REQUEST_MS = 5_000;

const GONE: OpenError = {
  reason: "gone",
  message: "the host of the ring has taken the device away; share it again there",
};

/**
 * A device that the host of a ring shares, until it is unplugged, taken back, or the session ends. `close` keeps it;
 * the next `open` resets it.
 */
export class RingDevice implements UsbDevice {
  readonly id: number;
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  /** OUT data are copied into the ring or its slots. */
  readonly takesLentData = true;
  /** Data slots that it has, for its session. */
  slots = 0;
  readonly #output: GuestDeviceOutput;
  readonly #map: EndpointMap;
  readonly #submitted = new SubmissionList();
  readonly #own = new Map<Urb, OwnRequest>();
  /** Over without the host, to be told outside of `submit` and `cancel`. */
  readonly #finished: Urb[] = [];
  #finishIsDue = false;
  readonly #whenIdle: (() => void)[] = [];
  readonly #whenGone: (() => void)[] = [];
  #host: UsbHost | undefined;
  #isTaken = false;
  #wasOpen = false;
  #isGone = false;

  constructor(added: AddedDevice, map: EndpointMap, output: GuestDeviceOutput) {
    this.id = added.id;
    this.speed = added.speed;
    this.descriptors = added.descriptors;
    this.#map = map;
    this.#output = output;
  }

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

  /** Gives it back to the host; `done` runs when the host has it, or cannot say so. */
  release(done: () => void): void {
    if (this.#isGone) {
      done();
      return;
    }
    this.#whenGone.push(done);
    this.#output.release(this);
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.#isGone) {
      done(GONE);
    } else if (this.#isTaken) {
      done({ reason: "busy", message: "the device is in use; detach it where it is attached first" });
    } else {
      this.#isTaken = true;
      const opened = (): void => {
        if (this.#isGone) done(GONE);
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

  submit(urb: Urb): void {
    const refused = this.#refusal(urb);
    const submission = refused === undefined ? this.#output.submit(this, urb) : undefined;
    if (submission !== undefined) {
      this.#submitted.add(submission);
      return;
    }
    const status = refused ?? noMemory;
    this.#output.refused(status);
    this.#finishSoon(urb, status);
  }

  cancel(urb: Urb): void {
    const submission = this.#submitted.find(urb);
    if (submission !== undefined) this.#cancel(submission);
  }

  flush(): void {
    this.#output.flush();
    this.#tellFinished();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#cancelAll(() => {
      if (this.#isGone) {
        done(disconnected);
        return;
      }
      this.#output.reset(this, (status) => {
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

  /** The completion was right; it stands in the URB. */
  answered(submission: Submission, urb: Urb): void {
    this.#submitted.remove(submission);
    this.#complete(urb);
  }

  /** Ends it without an answer of the host, which keeps its slots until it gives one. */
  giveBack(submission: Submission, status: TransferStatus): void {
    const { urb } = submission;
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#submitted.remove(submission);
    urb.status = status;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.#complete(urb);
  }

  /** It is not the host's to answer for any more: everything in flight is over. */
  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#tellFinished();
    for (let first = this.#submitted.first; first !== undefined; first = this.#submitted.first) {
      this.giveBack(first, disconnected);
    }
    const host = this.#host;
    this.#host = undefined;
    host?.unplugged();
    this.#checkIdle();
    for (const then of this.#whenGone.splice(0)) then();
  }

  #refusal(urb: Urb): TransferStatus | undefined {
    if (this.#isGone) return disconnected;
    if (urb.length > MAX_TRANSFER_LENGTH || urb.packetCount > MAX_PACKETS) return invalid;
    if (!isSubmitSound(urb.type, urb.endpoint, urb.length, urb.packetCount, urb.setup[0]!)) return invalid;
    if (urb.type === TransferType.isochronous && !(this.#output.hasIso && packetsAreSound(urb)))
      return invalid;
    return this.#submitted.length >= this.#output.maxPending ? noMemory : undefined;
  }

  #complete(urb: Urb): void {
    const own = this.#own.get(urb);
    if (own !== undefined) {
      this.#own.delete(urb);
      own(urb.status, urb.buffer.subarray(0, urb.actualLength));
    } else {
      if (urb.type === control && urb.status === ok) this.#map.completed(urb.setup);
      this.#host?.complete(urb);
    }
    if (this.#whenIdle.length > 0) this.#checkIdle();
  }

  #cancel(submission: Submission): void {
    if (submission.isCancelled) return;
    submission.isCancelled = true;
    this.#output.cancel(submission);
  }

  #finishSoon(urb: Urb, status: TransferStatus): void {
    urb.status = status;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.#finished.push(urb);
    if (this.#finishIsDue) return;
    this.#finishIsDue = true;
    this.#output.loop.soon(() => {
      this.#finishIsDue = false;
      this.#tellFinished();
    });
  }

  #tellFinished(): void {
    if (this.#finished.length === 0) return;
    for (const urb of this.#finished.splice(0)) this.#complete(urb);
  }

  /** A control request of our own, which ends by itself when the host is silent. */
  #request(setup: Uint8Array, length: number, done: OwnRequest): void {
    const urb = createUrb(0);
    urb.endpoint = 0x80;
    urb.setup.set(setup);
    urb.buffer = new Uint8Array(length);
    urb.length = length;
    const timer = this.#output.loop.after(OWN_REQUEST_MS, () => {
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
    for (let each = this.#submitted.first; each !== undefined; each = each.next) {
      if (!this.#own.has(each.urb!)) this.#cancel(each);
    }
    this.flush();
    this.#checkIdle();
  }

  /** Requests of our own do not hold up a sink. */
  #checkIdle(): void {
    if (this.#finished.length > 0) return;
    for (let each = this.#submitted.first; each !== undefined; each = each.next) {
      if (!this.#own.has(each.urb!)) return;
    }
    for (const then of this.#whenIdle.splice(0)) then();
  }
}
