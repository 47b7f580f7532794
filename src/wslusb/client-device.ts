import { DeviceDescriptor } from "../usb/descriptors.ts";
import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import { readString } from "../usb/string-reading.ts";
import { createUrb, isIn, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound } from "../usb/urb-soundness.ts";
import { MAX_PACKETS, MAX_TRANSFER_LENGTH, type WslusbLimits } from "./limits.ts";
import { DeviceLanes, type Outbox } from "./outbox.ts";
import { requestPriority } from "./priorities.ts";
import { Room } from "./room.ts";
import { encodeRequest, requestBytes, type Submission, type SubmissionOwner } from "./submission.ts";

/** What an attached device asks of the connection it stands on. */
export interface ClientDeviceOutput {
  readonly outbox: Outbox;
  readonly loop: Loop;
  readonly limits: WslusbLimits;
  nextSequence(): number;
  /** The submission has its sequence number from now on; until `forget`. */
  remember(submission: Submission): void;
  forget(submission: Submission): void;
  /** It is given back now; an answer may come until the host has the device. */
  owe(submission: Submission): void;
  /** All of its request is on its way: asks the host to end it. */
  cancel(submission: Submission): void;
  reset(handle: number, done: (status: TransferStatus) => void): void;
  detach(device: WslusbDevice, done: () => void): void;
  grant(handle: number, bytes: number): void;
  /** Devices of whose responses something has been read, until all that came has. */
  readonly touched: Set<WslusbDevice>;
  /** Sends what is due. */
  settle(): void;
}

/** What the host told of it when it was attached. */
export interface AttachedFacts {
  readonly handle: number;
  readonly busid: string;
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
}

type OwnRequest = (status: TransferStatus, bytes: Uint8Array) => void;

/** How long a host may take over a request of ours. */
const OWN_REQUEST_MS = 5_000;

const GONE: OpenError = {
  reason: "gone",
  message: "the host has taken the device away; attach it again",
};

/**
 * A device of a WSL-USB host, from its attach until it is detached, taken back, or its connection ends. `close` keeps
 * it attached; the next `open` resets it.
 */
export class WslusbDevice implements UsbDevice, SubmissionOwner {
  readonly busid: string;
  readonly handle: number;
  readonly speed: Speed;
  readonly descriptors: Uint8Array;
  readonly lanes: DeviceLanes;
  readonly room: Room;
  /** A request is a copy of its data. */
  readonly takesLentData = true;
  readonly #output: ClientDeviceOutput;
  readonly #map: EndpointMap;
  /** Requests on their way out stand here: the URB may be over before the link has taken them. */
  readonly #memory: HeapPool;
  readonly #byUrb = new Map<Urb, Submission>();
  readonly #own = new Map<Urb, OwnRequest>();
  /** Over without the host, to be told outside of `submit` and `cancel`. */
  readonly #finished: Urb[] = [];
  #finishIsDue = false;
  readonly #whenIdle: (() => void)[] = [];
  #host: UsbHost | undefined;
  #isTaken = false;
  #wasOpen = false;
  #isGone = false;

  /** `credit`: bytes of frames that the host has room for. */
  constructor(facts: AttachedFacts, map: EndpointMap, credit: number, output: ClientDeviceOutput) {
    this.busid = facts.busid;
    this.handle = facts.handle;
    this.speed = facts.speed;
    this.descriptors = facts.descriptors;
    this.#map = map;
    this.#output = output;
    this.lanes = new DeviceLanes(credit);
    this.room = new Room(output.limits.credit);
    this.#memory = new HeapPool(2 * output.limits.bytes);
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
  detach(done: () => void): void {
    if (this.#isGone) {
      done();
      return;
    }
    // What it had answered by then is still on its way.
    this.#end((submission) => this.#output.owe(submission));
    this.#output.detach(this, done);
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
    const memory = refused === undefined ? this.#memory.take(requestBytes(urb)) : undefined;
    if (memory === undefined) {
      this.#finishSoon(urb, refused ?? TransferStatus.noMemory);
      return;
    }
    const sequence = this.#output.nextSequence();
    const submission: Submission = {
      sequence,
      owner: this,
      urb,
      type: urb.type,
      isIn: isIn(urb.endpoint),
      length: urb.length,
      packetCount: urb.packetCount,
      request: encodeRequest(urb, this.handle, sequence, memory, () => this.#memory.give(memory)),
      lane: this.lanes.lanes[requestPriority(urb.type)],
      isCancelled: false,
    };
    this.#byUrb.set(urb, submission);
    this.#output.remember(submission);
    this.#output.outbox.add(submission.request, submission.lane);
  }

  cancel(urb: Urb): void {
    const submission = this.#byUrb.get(urb);
    if (submission === undefined || submission.isCancelled) return;
    submission.isCancelled = true;
    if (this.#output.outbox.withdraw(submission.request, submission.lane)) {
      // The host has not seen all of it, and answers nothing.
      this.#output.forget(submission);
      submission.urb = undefined;
      this.#byUrb.delete(urb);
      this.#finishSoon(urb, TransferStatus.cancelled);
    } else {
      this.#output.cancel(submission);
    }
  }

  flush(): void {
    this.#output.settle();
    this.#tellFinished();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#cancelAll(() => {
      if (this.#isGone) {
        done(TransferStatus.disconnected);
        return;
      }
      this.#output.reset(this.handle, (status) => {
        if (status === TransferStatus.ok) this.#map.configure(0);
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

  /** It is not the host's to answer for any more: everything in flight is over. */
  gone(): void {
    if (!this.#isGone) this.#end((submission) => this.#output.forget(submission));
  }

  refund(): void {
    if (!this.#isGone) this.#output.touched.add(this);
  }

  /** All that came has been read: gives credit back, which the host cannot have had for what it sent before. */
  giveCredit(): void {
    const bytes = this.room.refund();
    if (bytes > 0 && !this.#isGone) this.#output.grant(this.handle, bytes);
  }

  answered(submission: Submission): void {
    const { urb } = submission;
    this.#output.forget(submission);
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    this.#complete(urb);
  }

  /** Ends it without an answer of the host, which is still owed. */
  giveBack(submission: Submission, status: TransferStatus): void {
    const { urb } = submission;
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    urb.status = status;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.#complete(urb);
  }

  #end(dismiss: (submission: Submission) => void): void {
    this.#isGone = true;
    this.#output.outbox.clear(this.lanes);
    const submissions = Array.from(this.#byUrb.values());
    this.#tellFinished();
    for (const submission of submissions) {
      if (submission.request.isWhole) dismiss(submission);
      else this.#output.forget(submission);
      this.giveBack(submission, TransferStatus.disconnected);
    }
    const host = this.#host;
    this.#host = undefined;
    host?.unplugged();
    this.#checkIdle();
  }

  #refusal(urb: Urb): TransferStatus | undefined {
    if (this.#isGone) return TransferStatus.disconnected;
    const isCarried = urb.length <= MAX_TRANSFER_LENGTH && urb.packetCount <= MAX_PACKETS;
    const isSound = isSubmitSound(urb.type, urb.endpoint, urb.length, urb.packetCount, urb.setup[0]!);
    if (!isCarried || !isSound || !packetsAreSound(urb)) return TransferStatus.invalid;
    return this.#byUrb.size >= this.#output.limits.urbs ? TransferStatus.noMemory : undefined;
  }

  #complete(urb: Urb): void {
    const own = this.#own.get(urb);
    if (own !== undefined) {
      this.#own.delete(urb);
      own(urb.status, urb.buffer.subarray(0, urb.actualLength));
    } else {
      if (urb.type === TransferType.control && urb.status === TransferStatus.ok)
        this.#map.completed(urb.setup);
      this.#host?.complete(urb);
    }
    this.#checkIdle();
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
    for (const urb of Array.from(this.#byUrb.keys())) if (!this.#own.has(urb)) this.cancel(urb);
    this.flush();
    this.#checkIdle();
  }

  /** Requests of our own do not hold up a sink. */
  #checkIdle(): void {
    if (this.#finished.length > 0) return;
    for (const urb of this.#byUrb.keys()) if (!this.#own.has(urb)) return;
    for (const then of this.#whenIdle.splice(0)) then();
  }
}
