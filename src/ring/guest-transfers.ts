import { Cancels } from "../usb/cancels.ts";
import type { Loop } from "../usb/loop.ts";
import { isIn, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import type { RingDevice } from "./guest-device.ts";
import type { Layout } from "./layout.ts";
import { INLINE_MAX, type RingLimits } from "./limits.ts";
import { CompleteWord } from "./message-words.ts";
import { BODY, Capability, DeviceRequest, MessageType } from "./messages.ts";
import { isRefusal } from "./refusal-counts.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";
import { INLINE_SENT, INLINE_TAKEN, type RingStats } from "./ring-stats.ts";
import { NO_SLOT, SlotMap } from "./slot-map.ts";
import { type Submission, SubmissionTable } from "./submission.ts";
import { sendIsoSubmit, sendSubmit, takeComplete, takeIsoComplete } from "./submit-message.ts";

const { cancelled } = TransferStatus;
// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { isochronous } = TransferType;
const { INLINE_DATA } = Capability;
const { ISO_COMPLETE } = MessageType;
const { status: STATUS } = CompleteWord;
const INLINE_BYTES = INLINE_MAX;

/** The transfers of a guest's session that the host has not answered, and the slots that they have. */
export class GuestTransfers {
  /** As the host has told. */
  capabilities = 0;
  readonly #channel: Channel;
  readonly #memory: RingMemory;
  readonly #stats: RingStats;
  /** The time of what goes on. */
  readonly #clock: Float64Array;
  readonly #table = new SubmissionTable();
  readonly #slots: SlotMap;
  readonly #slotsOfDevice: number;
  readonly #slotsAt: number;
  /** A power of two, and which one. */
  readonly #slotSize: number;
  readonly #slotShift: number;
  readonly #cancels: Cancels<Submission>;
  /** Those that were sent since `settle`, and when those were that have ended since. */
  readonly #sent: Submission[] = [];
  #sentCount = 0;
  readonly #endedMs: number[] = [];
  #endedCount = 0;

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
    this.#stats = stats;
    this.#clock = clock;
    this.#slots = new SlotMap(layout.slotCount);
    this.#slotsAt = layout.dataOffset;
    this.#slotSize = layout.slotSize;
    this.#slotShift = 31 - Math.clz32(layout.slotSize);
    this.#slotsOfDevice = Math.max(Math.floor((layout.slotCount * limits.slotsPercent) / 100), 1);
    this.#cancels = new Cancels(loop, (submission) => submission.owner?.giveBack(submission, cancelled));
  }

  /** Given back or not. */
  get pending(): number {
    return this.#table.used;
  }

  get slots(): RingFigures["slots"] {
    const { count, used, peak } = this.#slots;
    return { count, size: this.#slotSize, used, peak };
  }

  /** Sends it; nothing if there is no memory for it. */
  submit(device: RingDevice, urb: Urb): Submission | undefined {
    const { length } = urb;
    if (this.#channel.isCrowded) return undefined;
    const isIso = urb.type === isochronous;
    const isInline =
      !isIso && length > 0 && length <= INLINE_BYTES && (this.capabilities & INLINE_DATA) !== 0;
    const slots = isInline ? 0 : (length + this.#slotSize - 1) >>> this.#slotShift;
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
    this.#sent[this.#sentCount++] = submission;
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
    if (submission.isIso !== (type === ISO_COMPLETE)) {
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

  /** Nothing was sent and nothing has ended since the last time. */
  get isSettled(): boolean {
    return this.#sentCount === 0 && this.#endedCount === 0;
  }

  /** The clock was set behind what the host may be waiting for: what was sent and what has ended was so now. */
  settle(): void {
    const nowMs = this.#clock[0]!;
    const { latency } = this.#stats;
    for (let i = 0; i < this.#endedCount; i++) latency.add(nowMs - this.#endedMs[i]!);
    for (let i = 0; i < this.#sentCount; i++) this.#sent[i]!.sentMs = nowMs;
    this.#endedCount = 0;
    this.#sentCount = 0;
  }

  /** Nobody answers any more. */
  end(): void {
    this.#cancels.clear();
  }

  #count(submission: Submission): void {
    const { urb } = submission;
    const stats = this.#stats;
    // Of both kinds it stands in the same place.
    const status = this.#channel.incoming.words[STATUS]!;
    if (status !== 0 && isRefusal(status)) stats.refusals.add(status);
    const moved = urb?.actualLength ?? 0;
    if (submission.isIn && moved > 0) stats.copies += submission.isInline ? INLINE_TAKEN : 1;
    stats.ended(urb?.status ?? cancelled, submission.isIn, moved);
    this.#endedMs[this.#endedCount++] = submission.sentMs;
  }

  #release(submission: Submission): void {
    const { slot, slots, owner } = submission;
    if (slots > 0) this.#slots.give(slot, slots);
    owner!.slots -= slots;
    this.#table.give(submission);
  }

  /** Where the slots of a submission begin, from the start of the memory. */
  #bufferOffset({ slot, slots }: Submission): number {
    return slots === 0 ? 0 : this.#slotsAt + slot * this.#slotSize;
  }
}
