import type { OpenError } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { FarDevice } from "../usb/far-device.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import type { Loop } from "../usb/loop.ts";
import type { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../usb/urb.ts";
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

const GONE: OpenError = {
  reason: "gone",
  message: "the host has taken the device away; attach it again",
};

/** A device of a WSL-USB host, from its attach until it is detached, taken back, or its connection ends. */
export class WslusbDevice extends FarDevice implements SubmissionOwner {
  readonly busid: string;
  readonly handle: number;
  readonly lanes: DeviceLanes;
  readonly room: Room;
  readonly #output: ClientDeviceOutput;
  /** Requests on their way out stand here: the URB may be over before the link has taken them. */
  readonly #memory: HeapPool;
  readonly #byUrb = new Map<Urb, Submission>();

  /** `credit`: bytes of frames that the host has room for. */
  constructor(facts: AttachedFacts, map: EndpointMap, credit: number, output: ClientDeviceOutput) {
    super(facts.speed, facts.descriptors, map, output.loop, GONE);
    this.busid = facts.busid;
    this.handle = facts.handle;
    this.#output = output;
    this.lanes = new DeviceLanes(credit);
    this.room = new Room(output.limits.credit);
    this.#memory = new HeapPool(2 * output.limits.bytes);
  }

  /** Gives it back to the host; `done` runs when the host has it, or cannot say so. */
  detach(done: () => void): void {
    if (this.isGone) {
      done();
      return;
    }
    // What it had answered by then is still on its way.
    this.#end((submission) => this.#output.owe(submission));
    this.#output.detach(this, done);
  }

  submit(urb: Urb): void {
    const refused = this.#refusal(urb);
    const memory = refused === undefined ? this.#memory.take(requestBytes(urb)) : undefined;
    if (memory === undefined) {
      this.finishSoon(urb, refused ?? TransferStatus.noMemory);
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
      this.finishSoon(urb, TransferStatus.cancelled);
    } else {
      this.#output.cancel(submission);
    }
  }

  /** It is not the host's to answer for any more: everything in flight is over. */
  gone(): void {
    if (!this.isGone) this.#end((submission) => this.#output.forget(submission));
  }

  refund(): void {
    if (!this.isGone) this.#output.touched.add(this);
  }

  /** All that came has been read: gives credit back, which the host cannot have had for what it sent before. */
  giveCredit(): void {
    const bytes = this.room.refund();
    if (bytes > 0 && !this.isGone) this.#output.grant(this.handle, bytes);
  }

  answered(submission: Submission): void {
    const { urb } = submission;
    this.#output.forget(submission);
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    this.complete(urb);
  }

  /** Ends it without an answer of the host, which is still owed. */
  giveBack(submission: Submission, status: TransferStatus): void {
    const { urb } = submission;
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    this.finish(urb, status);
  }

  protected inFlight(): Iterable<Urb> {
    return this.#byUrb.keys();
  }

  protected send(): void {
    this.#output.settle();
  }

  protected resetThere(done: (status: TransferStatus) => void): void {
    this.#output.reset(this.handle, done);
  }

  #end(dismiss: (submission: Submission) => void): void {
    this.#output.outbox.clear(this.lanes);
    const submissions = Array.from(this.#byUrb.values());
    this.end(() => {
      for (const submission of submissions) {
        if (submission.request.isWhole) dismiss(submission);
        else this.#output.forget(submission);
        this.giveBack(submission, TransferStatus.disconnected);
      }
    });
  }

  #refusal(urb: Urb): TransferStatus | undefined {
    if (this.isGone) return TransferStatus.disconnected;
    const isCarried = urb.length <= MAX_TRANSFER_LENGTH && urb.packetCount <= MAX_PACKETS;
    const isSound = isSubmitSound(urb.type, urb.endpoint, urb.length, urb.packetCount, urb.setup[0]!);
    if (!isCarried || !isSound || !packetsAreSound(urb)) return TransferStatus.invalid;
    return this.#byUrb.size >= this.#output.limits.urbs ? TransferStatus.noMemory : undefined;
  }
}
