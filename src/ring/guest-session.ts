import { Cancels } from "../usb/cancels.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { isIn, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { StructValue } from "../wire/struct.ts";
import { Channel } from "./channel.ts";
import { readDeviceAdded } from "./device-added.ts";
import { type GuestDeviceOutput, RingDevice } from "./guest-device.ts";
import { type Layout, RING_VERSION } from "./layout.ts";
import { INLINE_MAX, MAX_DEVICES, MAX_URBS, type RingLimits } from "./limits.ts";
import {
  ALL_CAPABILITIES,
  BODY,
  Breaker,
  CancelAck,
  Capability,
  DeviceAck,
  DeviceAdded,
  DeviceRemoved,
  DeviceRequest,
  Heartbeat,
  IsoComplete,
  MessageHeader,
  MessageType,
  Negotiate,
  NegotiateResponse,
  Shutdown,
  StatsResponse,
  StreamPart,
  UrbComplete,
} from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";
import { RingStats } from "./ring-stats.ts";
import { NO_SLOT, SlotMap } from "./slot-map.ts";
import { Status, statusOf, transferStatusOf } from "./status.ts";
import { type RingStream, Streams } from "./streams.ts";
import { type Submission, SubmissionTable } from "./submission.ts";
import { sendIsoSubmit, sendSubmit, takeComplete, takeIsoComplete } from "./submit-message.ts";

const { cancelled, disconnected, timeout } = TransferStatus;

const SHUTDOWN_ACK_SIZE = 16;
/** How long a host may take to reset a device. */
const RESET_MS = 5_000;

/** What the host has counted, of one device or of all. */
export type HostFigures = StructValue<typeof StatsResponse.fields>;

/** What a session is made in. */
export interface GuestSessionPlace {
  readonly memory: RingMemory;
  readonly layout: Layout;
  readonly limits: RingLimits;
  readonly loop: Loop;
  readonly guestEpoch: number;
  readonly hostEpoch: number;
  readonly idle: () => void;
  wake(): void;
  negotiated(): void;
  added(device: RingDevice): void;
  removed(device: RingDevice, reason: number): void;
  tripped(device: RingDevice, isTripped: boolean, reason: number): void;
  /** It is over; nothing if the host has left. */
  over(error: ProtocolError | undefined): void;
}

interface Reset {
  readonly device: RingDevice;
  readonly done: (status: TransferStatus) => void;
  readonly timer: Cancellable;
}

/** What one host says from our NEGOTIATE on, its devices, and the slots. */
export class GuestSession implements GuestDeviceOutput {
  readonly channel: Channel;
  readonly loop: Loop;
  readonly #place: GuestSessionPlace;
  readonly #stats = new RingStats();
  readonly #streams: Streams;
  readonly #table = new SubmissionTable();
  readonly #slots: SlotMap;
  readonly #slotsOfDevice: number;
  readonly #cancels: Cancels<Submission>;
  /** By id. */
  readonly #devices: (RingDevice | undefined)[] = [];
  /** Requests other than transfers, by transaction id. */
  readonly #resets = new Map<number, Reset>();
  readonly #asked = new Map<number, (figures: HostFigures | undefined) => void>();
  #lastRequest = 0;
  #capabilities = 0;
  #maxPending = 0;
  #isNegotiated = false;
  #isPolling = false;
  #isOver = false;

  constructor(place: GuestSessionPlace) {
    this.#place = place;
    const { memory, layout, limits, loop } = place;
    this.loop = loop;
    this.channel = new Channel(memory, layout, "guest", this.#stats, () => place.wake());
    this.#streams = new Streams(this.channel, loop, () => this.flush(), place.idle);
    this.#slots = new SlotMap(layout.slotCount);
    this.#slotsOfDevice = Math.max(Math.floor((layout.slotCount * limits.slotsPercent) / 100), 1);
    this.#cancels = new Cancels(loop, (submission) => submission.owner?.giveBack(submission, cancelled));
  }

  get isNegotiated(): boolean {
    return this.#isNegotiated;
  }

  get maxPending(): number {
    return this.#maxPending;
  }

  get hasIso(): boolean {
    return (this.#capabilities & Capability.ISO) !== 0;
  }

  /** Transfers that the host has not answered, given back or not. */
  get pendingUrbs(): number {
    return this.#table.used;
  }

  get usedSlots(): number {
    return this.#slots.used;
  }

  greet(): void {
    const { guestEpoch, hostEpoch, limits } = this.#place;
    const body = Negotiate.encode({
      min_version: RING_VERSION,
      max_version: RING_VERSION,
      capabilities: ALL_CAPABILITIES,
      max_pending_urbs: limits.urbs,
      guest_epoch: guestEpoch,
      host_epoch: hostEpoch,
      reserved: new Uint8Array(12),
    });
    this.channel.say(MessageType.NEGOTIATE, this.#nextRequest(), 0, body);
    this.flush();
  }

  /** Takes what has come, as far as one turn goes. True: there was something. */
  poll(): boolean | ProtocolError {
    let count = 0;
    let error: ProtocolError | undefined;
    this.#isPolling = true;
    while (count < this.#place.limits.messagesPerPoll && !this.#isOver) {
      const taken = this.channel.incoming.next();
      if (taken === false) break;
      count++;
      error = taken === true ? this.#take() : taken;
      if (error !== undefined) break;
    }
    this.#isPolling = false;
    if (this.#isOver) return true;
    const moved = this.channel.moved;
    error = this.channel.flush() ?? error;
    return error ?? (count > 0 || this.channel.moved !== moved);
  }

  /** Asks what the host has counted: of a device, or of all. Nothing if the session ends. */
  askStats(device: RingDevice | undefined, done: (figures: HostFigures | undefined) => void): void {
    if (this.#isOver || (this.#capabilities & Capability.STATS) === 0) {
      done(undefined);
      return;
    }
    const id = device?.id ?? 0;
    this.#asked.set(this.#request(MessageType.STATS_REQUEST, id), done);
  }

  get hasStreams(): boolean {
    return this.#streams.areOpen;
  }

  /** A stream to the host, which is called `peer`. Nothing if the host takes none, or no more. */
  dial(peer: string): RingStream | undefined {
    const isTaken = !this.#isOver && (this.#capabilities & Capability.STREAMS) !== 0;
    return isTaken ? this.#streams.open(peer) : undefined;
  }

  submit(device: RingDevice, urb: Urb): Submission | undefined {
    const { length } = urb;
    if (this.channel.isCrowded) return undefined;
    const isIso = urb.type === TransferType.isochronous;
    const isInline =
      !isIso && length > 0 && length <= INLINE_MAX && (this.#capabilities & Capability.INLINE_DATA) !== 0;
    const slots = isInline ? 0 : Math.ceil(length / this.#place.layout.slotSize);
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
    const at = this.#bufferOffset(submission);
    if (slots > 0 && !submission.isIn)
      copyBytes(urb.buffer, urb.offset, length, this.#place.memory.bytes, at);
    if (isIso) sendIsoSubmit(this.channel, submission, urb, at);
    else sendSubmit(this.channel, submission, urb, at);
    return submission;
  }

  cancel(submission: Submission): void {
    this.channel.begin(MessageType.URB_CANCEL, submission.transaction, submission.device, DeviceRequest.size);
    DeviceRequest.write.device_id(this.channel.view, BODY, submission.device);
    this.channel.send(BODY + DeviceRequest.size);
    this.#cancels.add(submission);
  }

  reset(device: RingDevice, done: (status: TransferStatus) => void): void {
    const transaction = this.#request(MessageType.DEVICE_RESET, device.id);
    const timer = this.loop.after(RESET_MS, () => {
      this.#resets.delete(transaction);
      done(timeout);
    });
    this.#resets.set(transaction, { device, done, timer });
  }

  release(device: RingDevice): void {
    this.#request(MessageType.DEVICE_RELEASE, device.id);
  }

  /** While messages are read, `poll` does it when they have been read. */
  flush(): void {
    if (this.#isPolling || this.#isOver) return;
    const error = this.channel.flush();
    if (error !== undefined) this.loop.soon(() => this.#place.over(error));
  }

  /** Tells the host that this guest goes away. */
  farewell(reason: number): void {
    const body = Shutdown.encode({ reason, reserved: new Uint8Array(12) });
    this.channel.say(MessageType.GUEST_SHUTDOWN, this.#nextRequest(), 0, body);
    this.channel.flush();
  }

  /** It is over: every device is gone. */
  end(reason: number): void {
    this.#isOver = true;
    this.#streams.end();
    this.#cancels.clear();
    for (const device of this.#devices.slice()) if (device !== undefined) this.#remove(device, reason);
    for (const done of this.#asked.values()) done(undefined);
    this.#asked.clear();
  }

  #take(): ProtocolError | undefined {
    const { view, length } = this.channel.incoming;
    const type = MessageHeader.read.message_type(view, 0);
    const version = MessageHeader.read.protocol_version(view, 0);
    const transaction = MessageHeader.read.transaction_id(view, 0);
    const id = MessageHeader.read.device_id(view, 0);
    const needed = SIZES.get(type);
    if (needed === undefined) {
      return new ProtocolError("BAD_COMMAND", `a host sends no message of type ${type}`);
    }
    if (length < BODY + needed) {
      return new ProtocolError("TRUNCATED", `${length} bytes of a message of type ${type}`);
    }
    if (version !== RING_VERSION) {
      return new ProtocolError("BAD_VERSION", `a message of version 0x${version.toString(16)}`);
    }
    if (!this.#isNegotiated && !BEFORE_NEGOTIATION.has(type)) {
      return new ProtocolError("BAD_COMMAND", `a message of type ${type} came before NEGOTIATE_RESP`);
    }
    switch (type) {
      case MessageType.URB_COMPLETE:
      case MessageType.ISO_COMPLETE:
        return this.#complete(type, transaction, id);
      case MessageType.NEGOTIATE_RESP:
        return this.#negotiated();
      case MessageType.DEVICE_ADDED:
        return this.#add(id);
      case MessageType.DEVICE_REMOVED:
        return this.#removed(id, DeviceRemoved.read.reason(view, BODY));
      case MessageType.DEVICE_RESET_ACK:
        this.#wasReset(transaction, DeviceAck.read.status(view, BODY));
        return undefined;
      case MessageType.STATS_RESPONSE:
        this.#answerStats(transaction);
        return undefined;
      case MessageType.CIRCUIT_BREAKER_TRIP:
      case MessageType.CIRCUIT_BREAKER_RESET:
        this.#breaker(id, type === MessageType.CIRCUIT_BREAKER_TRIP, Breaker.read.reason(view, BODY));
        return undefined;
      case MessageType.STREAM:
        return this.#streams.take();
      case MessageType.HOST_SHUTDOWN:
        this.channel.say(MessageType.SHUTDOWN_ACK, transaction, 0, new Uint8Array(SHUTDOWN_ACK_SIZE));
        this.channel.flush();
        this.#place.over(undefined);
        return undefined;
      default:
        return undefined;
    }
  }

  #negotiated(): ProtocolError | undefined {
    const { view } = this.channel.incoming;
    const { guestEpoch, hostEpoch } = this.#place;
    if (this.#isNegotiated) return new ProtocolError("BAD_COMMAND", "a second NEGOTIATE_RESP");
    const read = NegotiateResponse.read;
    const version = read.negotiated_version(view, BODY);
    if (read.status(view, BODY) !== Status.OK || version !== RING_VERSION) {
      return new ProtocolError(
        "BAD_VERSION",
        `the host speaks version 0x${version.toString(16)} of the ring`,
      );
    }
    if (read.guest_epoch(view, BODY) !== guestEpoch || read.host_epoch(view, BODY) !== hostEpoch) {
      return new ProtocolError("BAD_FIELD", "NEGOTIATE_RESP is of another session");
    }
    this.#isNegotiated = true;
    this.#capabilities = read.capabilities(view, BODY) & ALL_CAPABILITIES;
    this.#maxPending = Math.min(read.max_pending_urbs(view, BODY), MAX_URBS);
    this.#place.negotiated();
    return undefined;
  }

  #add(headerId: number): ProtocolError | undefined {
    const { bytes, length } = this.channel.incoming;
    const added = readDeviceAdded(bytes, length);
    if (added instanceof ProtocolError) return added;
    const { id, speed, configuration, descriptors } = added;
    if (id !== headerId || id < 1 || id > MAX_DEVICES || this.#devices[id] !== undefined) {
      return new ProtocolError("BAD_DEVICE", `a device is added as ${id}, which is not free`);
    }
    const map = EndpointMap.of(descriptors, speed, configuration);
    const isUsable = !(map instanceof ProtocolError);
    const status = isUsable ? Status.OK : Status.INVALID_PARAMETER;
    const ack = DeviceAck.encode({ device_id: id, status, reserved: new Uint8Array(8) });
    this.channel.say(MessageType.DEVICE_ADD_ACK, 0, id, ack);
    if (!isUsable) return undefined;
    const device = new RingDevice(added, map, this);
    this.#devices[id] = device;
    this.#place.added(device);
    return undefined;
  }

  /** One that could not be used is removed without ever having been there. */
  #removed(id: number, reason: number): ProtocolError | undefined {
    if (id < 1 || id > MAX_DEVICES) return new ProtocolError("BAD_DEVICE", `device ${id} is removed`);
    const ack = DeviceAck.encode({ device_id: id, status: Status.OK, reserved: new Uint8Array(8) });
    const device = this.#devices[id];
    if (device !== undefined) this.#remove(device, reason);
    this.channel.say(MessageType.DEVICE_REMOVE_ACK, 0, id, ack);
    return undefined;
  }

  #remove(device: RingDevice, reason: number): void {
    this.#devices[device.id] = undefined;
    for (const [transaction, reset] of Array.from(this.#resets)) {
      if (reset.device === device) this.#wasReset(transaction, statusOf(disconnected));
    }
    device.gone();
    this.#place.removed(device, reason);
  }

  #wasReset(transaction: number, status: number): void {
    const reset = this.#resets.get(transaction);
    if (reset === undefined) return;
    this.#resets.delete(transaction);
    reset.timer.cancel();
    reset.done(transferStatusOf(status));
  }

  #complete(type: number, transaction: number, id: number): ProtocolError | undefined {
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
    const { incoming } = this.channel;
    const { bytes } = this.#place.memory;
    const at = this.#bufferOffset(submission);
    const error = submission.isIso
      ? takeIsoComplete(incoming, submission, bytes, at)
      : takeComplete(incoming, submission, bytes, at);
    if (error !== undefined) return error;
    const { urb, owner } = submission;
    if (submission.isCancelled) this.#cancels.remove(submission);
    this.#release(submission);
    if (urb !== undefined) owner!.answered(submission, urb);
    return undefined;
  }

  #release(submission: Submission): void {
    const { slot, slots, owner } = submission;
    if (slots > 0) this.#slots.give(slot, slots);
    owner!.slots -= slots;
    this.#table.give(submission);
  }

  #answerStats(transaction: number): void {
    const done = this.#asked.get(transaction);
    const figures = StatsResponse.decode(this.channel.incoming.bytes, BODY);
    if (done === undefined || figures instanceof ProtocolError) return;
    this.#asked.delete(transaction);
    done(figures);
  }

  #breaker(id: number, isTripped: boolean, reason: number): void {
    const device = id <= MAX_DEVICES ? this.#devices[id] : undefined;
    if (device !== undefined) this.#place.tripped(device, isTripped, reason);
  }

  #request(type: number, device: number): number {
    const transaction = this.#nextRequest();
    const body = DeviceRequest.encode({ device_id: device, reserved: new Uint8Array(12) });
    this.channel.say(type, transaction, device, body);
    this.flush();
    return transaction;
  }

  /** Numbers that are told apart from those of transfers by the types of their messages. */
  #nextRequest(): number {
    this.#lastRequest = (this.#lastRequest + 1) >>> 0 || 1;
    return this.#lastRequest;
  }

  /** Where the slots of a submission begin, from the start of the memory. */
  #bufferOffset({ slot, slots }: Submission): number {
    const { dataOffset, slotSize } = this.#place.layout;
    return slots === 0 ? 0 : dataOffset + slot * slotSize;
  }
}

/** Bytes of the body of each message that a host sends. */
const SIZES: ReadonlyMap<number, number> = new Map<number, number>([
  [MessageType.NEGOTIATE_RESP, NegotiateResponse.size],
  [MessageType.DEVICE_ADDED, DeviceAdded.size],
  [MessageType.DEVICE_REMOVED, DeviceRemoved.size],
  [MessageType.DEVICE_RESET_ACK, DeviceAck.size],
  [MessageType.HEARTBEAT, Heartbeat.size],
  [MessageType.HOST_SHUTDOWN, Shutdown.size],
  [MessageType.SHUTDOWN_ACK, SHUTDOWN_ACK_SIZE],
  [MessageType.URB_COMPLETE, UrbComplete.size],
  [MessageType.URB_CANCEL_ACK, CancelAck.size],
  [MessageType.ISO_COMPLETE, IsoComplete.size],
  [MessageType.CIRCUIT_BREAKER_TRIP, Breaker.size],
  [MessageType.CIRCUIT_BREAKER_RESET, Breaker.size],
  [MessageType.STATS_RESPONSE, StatsResponse.size],
  [MessageType.STREAM, StreamPart.size],
]);

/** A host that gives up, or that lives, may say so before it has answered. */
const BEFORE_NEGOTIATION: ReadonlySet<number> = new Set<number>([
  MessageType.NEGOTIATE_RESP,
  MessageType.HOST_SHUTDOWN,
  MessageType.HEARTBEAT,
]);
