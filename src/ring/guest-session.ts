import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { TransferStatus, type Urb } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { StructValue } from "../wire/struct.ts";
import { readDeviceAdded } from "./device-added.ts";
import { type GuestDeviceOutput, RingDevice } from "./guest-device.ts";
import { GuestTransfers } from "./guest-transfers.ts";
import { FROM_HOST } from "./incoming.ts";
import { RING_VERSION } from "./layout.ts";
import { MAX_DEVICES, MAX_URBS } from "./limits.ts";
import {
  ALL_CAPABILITIES,
  BODY,
  Breaker,
  Capability,
  DeviceAck,
  DeviceRemoved,
  DeviceRequest,
  MessageType,
  Negotiate,
  NegotiateResponse,
  StatsResponse,
} from "./messages.ts";
import { type RingFigures, ringFigures } from "./ring-figures.ts";
import { RingSession, type SessionPlace } from "./session.ts";
import { Status, statusOf, transferStatusOf } from "./status.ts";
import { type RingStream, Streams } from "./streams.ts";
import type { Submission } from "./submission.ts";

const { disconnected, timeout } = TransferStatus;

/** How long a host may take to reset a device. */
const RESET_MS = 5_000;

/** What the host has counted, of one device or of all. */
export type HostFigures = StructValue<typeof StatsResponse.fields>;

export interface GuestSessionPlace extends SessionPlace {
  added(device: RingDevice): void;
  removed(device: RingDevice, reason: number): void;
  tripped(device: RingDevice, isTripped: boolean, reason: number): void;
}

interface Reset {
  readonly device: RingDevice;
  readonly done: (status: TransferStatus) => void;
  readonly timer: Cancellable;
}

/** What one host says from our NEGOTIATE on, and its devices. */
export class GuestSession extends RingSession<GuestSessionPlace> implements GuestDeviceOutput {
  readonly loop: Loop;
  readonly #transfers: GuestTransfers;
  readonly #streams: Streams;
  /** By id. */
  readonly #devices: (RingDevice | undefined)[] = [];
  /** Requests other than transfers, by transaction id. */
  readonly #resets = new Map<number, Reset>();
  readonly #asked = new Map<number, (figures: HostFigures | undefined) => void>();
  #lastRequest = 0;
  #maxPending = 0;

  constructor(place: GuestSessionPlace) {
    super(place, "guest", FROM_HOST);
    const { memory, layout, limits, loop } = place;
    this.loop = loop;
    this.#transfers = new GuestTransfers(this.channel, memory, layout, limits, loop, this.stats, this.clock);
    this.#streams = new Streams(
      this.channel,
      loop,
      () => this.flush(),
      () => place.idle(),
    );
  }

  get maxPending(): number {
    return this.#maxPending;
  }

  get hasIso(): boolean {
    return (this.#transfers.capabilities & Capability.ISO) !== 0;
  }

  /** Transfers that the host has not answered, given back or not. */
  get pendingUrbs(): number {
    return this.#transfers.pending;
  }

  get usedSlots(): number {
    return this.#transfers.slots.used;
  }

  get figures(): RingFigures {
    const { hostEpoch, guestEpoch } = this.place;
    const { pending, slots } = this.#transfers;
    return ringFigures(this.channel, this.stats, { hostEpoch, guestEpoch, inFlight: pending, slots });
  }

  greet(): void {
    const { guestEpoch, hostEpoch, limits } = this.place;
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

  /** Asks what the host has counted: of a device, or of all. Nothing if the session ends. */
  askStats(device: RingDevice | undefined, done: (figures: HostFigures | undefined) => void): void {
    if (this.isOver || (this.#transfers.capabilities & Capability.STATS) === 0) {
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
    const isTaken = !this.isOver && (this.#transfers.capabilities & Capability.STREAMS) !== 0;
    return isTaken ? this.#streams.open(peer) : undefined;
  }

  submit(device: RingDevice, urb: Urb): Submission | undefined {
    return this.#transfers.submit(device, urb);
  }

  refused(status: TransferStatus): void {
    this.stats.refusals.add(statusOf(status));
  }

  cancel(submission: Submission): void {
    this.#transfers.cancel(submission);
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
    if (this.isPolling || this.isOver) return;
    const error = this.channel.flush();
    this.settle();
    if (error === undefined) this.place.sent();
    else this.loop.soon(() => this.place.over(error));
  }

  /** Tells the host that this guest goes away. */
  farewell(reason: number): void {
    this.goodbye(MessageType.GUEST_SHUTDOWN, this.#nextRequest(), reason);
  }

  /** It is over: every device is gone. */
  end(reason: number): void {
    this.isOver = true;
    this.#streams.end();
    this.#transfers.end();
    for (const device of this.#devices.slice()) if (device !== undefined) this.#remove(device, reason);
    for (const done of this.#asked.values()) done(undefined);
    this.#asked.clear();
  }

  protected override settle(): void {
    if (this.#transfers.isSettled) return;
    this.clock[0] = this.loop.now();
    this.#transfers.settle();
  }

  protected take(type: number, transaction: number, id: number): ProtocolError | undefined {
    const { view } = this.channel.incoming;
    switch (type) {
      case MessageType.URB_COMPLETE:
      case MessageType.ISO_COMPLETE:
        return this.#transfers.complete(type, transaction, id);
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
        this.leave(transaction);
        return undefined;
      default:
        return undefined;
    }
  }

  #negotiated(): ProtocolError | undefined {
    const { view } = this.channel.incoming;
    const { guestEpoch, hostEpoch } = this.place;
    if (this.isNegotiated) return new ProtocolError("BAD_COMMAND", "a second NEGOTIATE_RESP");
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
    this.#transfers.capabilities = read.capabilities(view, BODY) & ALL_CAPABILITIES;
    this.#maxPending = Math.min(read.max_pending_urbs(view, BODY), MAX_URBS);
    this.greeted();
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
    this.place.added(device);
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
    this.place.removed(device, reason);
  }

  #wasReset(transaction: number, status: number): void {
    const reset = this.#resets.get(transaction);
    if (reset === undefined) return;
    this.#resets.delete(transaction);
    reset.timer.cancel();
    reset.done(transferStatusOf(status));
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
    if (device !== undefined) this.place.tripped(device, isTripped, reason);
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
}
