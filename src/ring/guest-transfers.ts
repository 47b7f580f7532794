import { Cancels } from "../usb/cancels.ts";
import type { Loop } from "../usb/loop.ts";
import { isIn, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import type { RingDevice } from "./guest-device.ts";
import type { Layout } from "./layout.ts";
import { INLINE_MAX, type RingLimits } from "./limits.ts";
import { BODY, Capability, DeviceRequest, IsoComplete, MessageType, UrbComplete } from "./messages.ts";
import { isRefusal } from "./refusal-counts.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";
import { INLINE_SENT, INLINE_TAKEN, type RingStats } from "./ring-stats.ts";
import { NO_SLOT, SlotMap } from "./slot-map.ts";
import { type Submission, SubmissionTable } from "./submission.ts";
import { sendIsoSubmit, sendSubmit, takeComplete, takeIsoComplete } from "./submit-message.ts";

const { cancelled } = TransferStatus;

/** The transfers of a guest's session that the host has not answered, and the slots that they have. */
export class GuestTransfers {
  /** As the host has told. */
  capabilities = 0;
  readonly #channel: Channel;
  readonly #memory: RingMemory;
  readonly #layout: Layout;
  readonly #stats: RingStats;
  /** The time of what goes on. */
  readonly #clock: Float64Array;
  readonly #table = new SubmissionTable();
  readonly #slots: SlotMap;
  readonly #slotsOfDevice: number;
  readonly #cancels: Cancels<Submission>;

  constructor(
    channel: Channel,
    memory: RingMemory,
    layout: Layout,
    limits: RingLimits,
    loop: Loop,
    stats: RingStats,
    clock: Float64Array,
  ) {
    this.#channel = channel;
    this.#memory = memory;
    this.#layout = layout;
    this.#stats = stats;
    this.#clock = clock;
    this.#slots = new SlotMap(layout.slotCount);
    this.#slotsOfDevice = Math.max(Math.floor((layout.slotCount * limits.slotsPercent) / 100), 1);
    this.#cancels = new Cancels(loop, (submission) => submission.owner?.giveBack(submission, cancelled));
  }

  /** Given back or not. */
  get pending(): number {
    return this.#table.used;
  }

  get slots(): RingFigures["slots"] {
    const { count, used, peak } = this.#slots;
    return { count, size: this.#layout.slotSize, used, peak };
  }

  /** Sends it; nothing if there is no memory for it. */
  submit(device: RingDevice, urb: Urb): Submission | undefined {
    const { length } = urb;
    if (this.#channel.isCrowded) return undefined;
    const isIso = urb.type === TransferType.isochronous;
    const isInline =
      !isIso && length > 0 && length <= INLINE_MAX && (this.capabilities & Capability.INLINE_DATA) !== 0;
    const slots = isInline ? 0 : Math.ceil(length / this.#layout.slotSize);
    if (device.slots + slots > this.#slotsOfDevice) return undefined;
    const slot = slots === 0 ? NO_SLOT : this.#slots.take(slots);
    if (slots > 0 && slot === NO_SLOT) return undefined;
    const submission = this.#table.take();
    if (submission === undefined) {
      if (slots > 0) this.#slots.give(slot, slots);
      return undefined;
    }
    device.slots += slots;
    submission.owner = device;
    submission.device = device.id;
    submission.urb = urb;
    submission.isIso = isIso;
    submission.isIn = isIn(urb.endpoint);
    submission.isInline = isInline;
    submission.isCancelled = false;
    submission.length = length;
    submission.packetCount = urb.packetCount;
    submission.slot = slot;
    submission.slots = slots;
    submission.sentMs = this.#clock[0]!;
    this.#stats.submitted++;
    if (isInline) this.#stats.inlineSubmits++;
    if (!submission.isIn && length > 0) this.#stats.copies += isInline ? INLINE_SENT : 1;
    const at = this.#bufferOffset(submission);
    if (slots > 0 && !submission.isIn) copyBytes(urb.buffer, urb.offset, length, this.#memory.bytes, at);
    if (isIso) sendIsoSubmit(this.#channel, submission, urb, at);
    else sendSubmit(this.#channel, submission, urb, at);
    return submission;
  }

  /** Asks the host to end it, and does so itself if the host does not within a second. */
  cancel(submission: Submission): void {
    const { view } = this.#channel;
    const { transaction, device } = submission;
    this.#channel.begin(MessageType.URB_CANCEL, transaction, device, DeviceRequest.size);
    DeviceRequest.write.device_id(view, BODY, device);
    this.#channel.send(BODY + DeviceRequest.size);
    this.#cancels.add(submission);
  }

  /** URB_COMPLETE or ISO_COMPLETE. */
  complete(type: number, transaction: number, id: number): ProtocolError | undefined {
    const submission = this.#table.find(transaction);
    if (submission === undefined) {
      return new ProtocolError("UNKNOWN_SEQNUM", `transaction ${transaction} is not in flight`);
    }
    if (submission.device !== id) {
      return new ProtocolError("BAD_DEVICE", `transaction ${transaction} is of another device than ${id}`);
    }
    if (submission.isIso !== (type === MessageType.ISO_COMPLETE)) {
      return new ProtocolError("BAD_COMMAND", `transaction ${transaction} ends as one of another kind`);
    }
    const { incoming } = this.#channel;
    const { bytes } = this.#memory;
    const at = this.#bufferOffset(submission);
    const error = submission.isIso
      ? takeIsoComplete(incoming, submission, bytes, at)
      : takeComplete(incoming, submission, bytes, at);
    if (error !== undefined) return error;
    const { urb, owner } = submission;
    if (submission.isCancelled) this.#cancels.remove(submission);
    this.#count(submission);
    this.#release(submission);
    if (urb !== undefined) owner!.answered(submission, urb);
    return undefined;
  }

  /** Nobody answers any more. */
  end(): void {
    this.#cancels.clear();
  }

  #count(submission: Submission): void {
    const { view } = this.#channel.incoming;
    const { urb, sentMs } = submission;
    const stats = this.#stats;
    const body = submission.isIso ? IsoComplete : UrbComplete;
    const status = body.read.status(view, BODY);
    if (isRefusal(status)) stats.refusals.add(status);
    const moved = urb?.actualLength ?? 0;
    if (submission.isIn && moved > 0) stats.copies += submission.isInline ? INLINE_TAKEN : 1;
    stats.ended(urb?.status ?? cancelled, submission.isIn, moved);
    stats.latency.add(this.#clock[0]! - sentMs);
  }

  #release(submission: Submission): void {
    const { slot, slots, owner } = submission;
    if (slots > 0) this.#slots.give(slot, slots);
    owner!.slots -= slots;
    this.#table.give(submission);
  }

  /** Where the slots of a submission begin, from the start of the memory. */
  #bufferOffset({ slot, slots }: Submission): number {
    const { dataOffset, slotSize } = this.#layout;
    return slots === 0 ? 0 : dataOffset + slot * slotSize;
  }
}
