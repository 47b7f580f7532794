import type { OpenError } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { FarDevice } from "../usb/far-device.ts";
import type { Loop } from "../usb/loop.ts";
import { TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound } from "../usb/urb-soundness.ts";
import type { AddedDevice } from "./device-added.ts";
import { MAX_PACKETS, MAX_TRANSFER_LENGTH } from "./limits.ts";
import { type Submission, SubmissionSet } from "./submission.ts";

const { disconnected, invalid, noMemory } = TransferStatus;

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

const GONE: OpenError = {
  reason: "gone",
  message: "the host of the ring has taken the device away; share it again there",
};

/** A device that the host of a ring shares, until it is unplugged, taken back, or the session ends. */
export class RingDevice extends FarDevice {
  readonly id: number;
  /** Data slots that it has, for its session. */
  slots = 0;
  readonly #output: GuestDeviceOutput;
  readonly #submitted = new SubmissionSet();
  readonly #whenGone: (() => void)[] = [];

  constructor(added: AddedDevice, map: EndpointMap, output: GuestDeviceOutput) {
    super(added.speed, added.descriptors, map, output.loop, GONE);
    this.id = added.id;
    this.#output = output;
  }

  /** Gives it back to the host; `done` runs when the host has it, or cannot say so. */
  release(done: () => void): void {
    if (this.isGone) {
      done();
      return;
    }
    this.#whenGone.push(done);
    this.#output.release(this);
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
    this.finishSoon(urb, status);
  }

  cancel(urb: Urb): void {
    const submission = this.#submitted.find(urb);
    if (submission === undefined || submission.isCancelled) return;
    submission.isCancelled = true;
    this.#output.cancel(submission);
  }

  /** The completion was right; it stands in the URB. */
  answered(submission: Submission, urb: Urb): void {
    this.#submitted.remove(submission);
    this.complete(urb);
  }

  /** Ends it without an answer of the host, which keeps its slots until it gives one. */
  giveBack(submission: Submission, status: TransferStatus): void {
    const { urb } = submission;
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#submitted.remove(submission);
    this.finish(urb, status);
  }

  /** It is not the host's to answer for any more: everything in flight is over. */
  gone(): void {
    if (this.isGone) return;
    this.end(() => {
      for (const each of this.#submitted.inOrder()) this.giveBack(each, disconnected);
    });
    for (const then of this.#whenGone.splice(0)) then();
  }

  protected *inFlight(): Iterable<Urb> {
    for (const { urb } of this.#submitted.inOrder()) yield urb!;
  }

  protected send(): void {
    this.#output.flush();
  }

  protected resetThere(done: (status: TransferStatus) => void): void {
    this.#output.reset(this, done);
  }

  #refusal(urb: Urb): TransferStatus | undefined {
    if (this.isGone) return disconnected;
    if (urb.length > MAX_TRANSFER_LENGTH || urb.packetCount > MAX_PACKETS) return invalid;
    if (!isSubmitSound(urb.type, urb.endpoint, urb.length, urb.packetCount, urb.setup[0]!)) return invalid;
    if (urb.type === TransferType.isochronous && !(this.#output.hasIso && packetsAreSound(urb)))
      return invalid;
    return this.#submitted.length >= this.#output.maxPending ? noMemory : undefined;
  }
}
