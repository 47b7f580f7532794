import type { UsbDevice } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import { InFlight } from "../usb/in-flight.ts";
import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel } from "./channel.ts";
import { refuseSubmit } from "./complete-message.ts";
import { encodeDeviceAdded } from "./device-added.ts";
import { EXCHANGE_BITS, HostDevice, type HostDeviceOutput } from "./host-device.ts";
import { type Layout, RING_VERSION } from "./layout.ts";
import { MAX_DEVICES, MAX_URBS, type RingLimits } from "./limits.ts";
import {
  ALL_CAPABILITIES,
  BODY,
  CancelAck,
  Capability,
  DeviceAck,
  DeviceRemoved,
  DeviceRequest,
  Heartbeat,
  IsoSubmit,
  MessageHeader,
  MessageType,
  Negotiate,
  NegotiateResponse,
  Shutdown,
  StreamPart,
  UrbSubmit,
  VERSION_REFUSED,
} from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";
import { RingStats } from "./ring-stats.ts";
import type { HostOutput } from "./sides.ts";
import { encodeStats } from "./stats-response.ts";
import { Status } from "./status.ts";
import { RingStream, Streams } from "./streams.ts";

const SHUTDOWN_ACK_SIZE = 16;

/** What a session is made in. */
export interface HostSessionPlace {
  readonly memory: RingMemory;
  readonly layout: Layout;
  readonly limits: RingLimits;
  readonly loop: Loop;
  readonly guestEpoch: number;
  readonly hostEpoch: number;
  readonly streams: HostOutput["streams"];
  readonly idle: () => void;
  wake(): void;
  /** The guest has greeted: devices can be announced. */
  negotiated(): void;
  /** The guest does not want a device any more. */
  released(device: HostDevice): void;
  unplugged(device: HostDevice): void;
  /** It is over; nothing if the guest has left. */
  over(error: ProtocolError | undefined): void;
}

/** What one guest says from its NEGOTIATE on, and the devices that it has. */
export class HostSession {
  readonly channel: Channel;
  readonly #place: HostSessionPlace;
  readonly #stats = new RingStats();
  readonly #streams: Streams;
  readonly #forDevices: HostDeviceOutput;
  readonly #inFlight = new InFlight();
  readonly #clock = new Float64Array(1);
  /** By id; those whose removal the guest has not acknowledged keep their ids. */
  readonly #devices: (HostDevice | "removed" | undefined)[] = [];
  /** Devices that are to be flushed when all that came has been read. */
  readonly #touched: HostDevice[] = [];
  #isPolling = false;
  #sendIsDue = false;
  #isNegotiated = false;
  #isOver = false;
  #guestSlots = 0;

  constructor(place: HostSessionPlace) {
    this.#place = place;
    const { memory, layout, limits, loop } = place;
    this.channel = new Channel(memory, layout, "host", this.#stats, () => place.wake());
    const { streams } = place;
    this.#streams = new Streams(
      this.channel,
      loop,
      () => this.#sendSoon(),
      place.idle,
      streams &&
        ((id, carrier) => {
          const stream = new RingStream(id, streams.peer, carrier);
          loop.soon(() => streams.accepted(stream));
          return stream;
        }),
    );
    this.#clock[0] = loop.now();
    this.#forDevices = {
      memory,
      layout,
      limits,
      channel: this.channel,
      stats: this.#stats,
      pool: new HeapPool(limits.bytes),
      inFlight: this.#inFlight,
      clock: this.#clock,
      sendSoon: () => this.#sendSoon(),
      unplugged: (device) => place.unplugged(device),
    };
  }

  get isNegotiated(): boolean {
    return this.#isNegotiated;
  }

  get hasStreams(): boolean {
    return this.#streams.areOpen;
  }

  get pendingUrbs(): number {
    return this.#inFlight.count;
  }

  get #capabilities(): number {
    return this.#place.streams === undefined ? ALL_CAPABILITIES & ~Capability.STREAMS : ALL_CAPABILITIES;
  }

  /** Answers find no room: nothing more is read before they do. */
  get #isReading(): boolean {
    return this.channel.waiting <= this.#place.limits.waiting;
  }

  /** As `Channel.sleep`. */
  sleep(): boolean {
    return this.channel.sleep(this.#isReading);
  }

  /** Takes what has come, as far as one turn goes. True: there was something. */
  poll(): boolean | ProtocolError {
    const { loop, limits } = this.#place;
    this.#isPolling = true;
    this.#clock[0] = loop.now();
    let count = 0;
    let error: ProtocolError | undefined;
    while (count < limits.messagesPerPoll && this.#isReading && !this.#isOver) {
      const taken = this.channel.incoming.next();
      if (taken === false) break;
      count++;
      error = taken === true ? this.#take() : taken;
      if (error !== undefined) break;
    }
    if (count > 0 && !this.#isOver) this.#flushDevices();
    this.#isPolling = false;
    if (this.#isOver) return true;
    const moved = this.channel.moved;
    error = this.channel.flush() ?? error;
    return error ?? (count > 0 || this.channel.moved !== moved);
  }

  /** Gives a device to the guest. Nothing if it has as many as there can be. */
  announce(device: UsbDevice, map: EndpointMap, takesSharedData: boolean): HostDevice | undefined {
    let id = 1;
    while (this.#devices[id] !== undefined) id++;
    if (id > MAX_DEVICES) return undefined;
    const hosted = new HostDevice(id, device, map, takesSharedData, this.#forDevices);
    this.#devices[id] = hosted;
    this.channel.say(MessageType.DEVICE_ADDED, 0, id, encodeDeviceAdded(id, device));
    this.#sendSoon();
    return hosted;
  }

  /** The device is closed: nothing of it is in flight, and the guest is told so. */
  remove(device: HostDevice, reason: number): void {
    if (this.#isOver) return;
    this.#devices[device.id] = "removed";
    const body = DeviceRemoved.encode({ device_id: device.id, reason, reserved: new Uint8Array(8) });
    this.channel.say(MessageType.DEVICE_REMOVED, 0, device.id, body);
    this.#sendSoon();
  }

  /** Tells the guest that the host goes away. */
  farewell(reason: number): void {
    const body = Shutdown.encode({ reason, reserved: new Uint8Array(12) });
    this.channel.say(MessageType.HOST_SHUTDOWN, 0, 0, body);
    this.channel.flush();
  }

  /** Nothing is taken, carried out or sent from here on. */
  silence(): void {
    this.#isOver = true;
    this.#streams.end();
    for (const device of this.#devices) if (device instanceof HostDevice) device.silence();
  }

  #take(): ProtocolError | undefined {
    const { view, length } = this.channel.incoming;
    const type = MessageHeader.read.message_type(view, 0);
    const version = MessageHeader.read.protocol_version(view, 0);
    const transaction = MessageHeader.read.transaction_id(view, 0);
    const id = MessageHeader.read.device_id(view, 0);
    if (version !== RING_VERSION) {
      return new ProtocolError("BAD_VERSION", `a message of version 0x${version.toString(16)}`);
    }
    if (!this.#isNegotiated && type !== MessageType.NEGOTIATE) {
      return new ProtocolError("BAD_COMMAND", `a message of type ${type} came before NEGOTIATE`);
    }
    const needed = SIZES.get(type);
    if (needed === undefined) {
      return new ProtocolError("BAD_COMMAND", `a guest sends no message of type ${type}`);
    }
    if (length < BODY + needed) {
      return new ProtocolError("TRUNCATED", `${length} bytes of a message of type ${type}`);
    }
    switch (type) {
      case MessageType.URB_SUBMIT:
      case MessageType.ISO_SUBMIT:
        return this.#submit(type, transaction, id);
      case MessageType.URB_CANCEL:
        this.#cancel(transaction, id);
        return undefined;
      case MessageType.NEGOTIATE:
        return this.#negotiate(transaction);
      case MessageType.HEARTBEAT:
        this.#guestSlots = Heartbeat.read.used_slots(view, BODY);
        return undefined;
      case MessageType.DEVICE_ADD_ACK:
        // A guest that cannot use it has no other way to say so.
        if (DeviceAck.read.status(view, BODY) !== Status.OK) this.#release(id);
        return undefined;
      case MessageType.DEVICE_REMOVE_ACK:
        if (this.#devices[id] === "removed") this.#devices[id] = undefined;
        return undefined;
      case MessageType.DEVICE_RELEASE:
        this.#release(id);
        return undefined;
      case MessageType.DEVICE_RESET:
        this.#reset(transaction, id);
        return undefined;
      case MessageType.STATS_REQUEST:
        this.#tellStats(transaction, DeviceRequest.read.device_id(view, BODY));
        return undefined;
      case MessageType.STREAM:
        return this.#streams.take();
      case MessageType.GUEST_SHUTDOWN:
        this.channel.say(MessageType.SHUTDOWN_ACK, transaction, 0, new Uint8Array(SHUTDOWN_ACK_SIZE));
        this.channel.flush();
        this.#place.over(undefined);
        return undefined;
      default:
        return undefined;
    }
  }

  #negotiate(transaction: number): ProtocolError | undefined {
    const { view } = this.channel.incoming;
    const { guestEpoch, hostEpoch, limits } = this.#place;
    if (this.#isNegotiated) return new ProtocolError("BAD_COMMAND", "a second NEGOTIATE");
    const read = Negotiate.read;
    const lowest = read.min_version(view, BODY);
    const highest = read.max_version(view, BODY);
    const isSpoken = lowest <= RING_VERSION && highest >= RING_VERSION;
    if (read.guest_epoch(view, BODY) !== guestEpoch || read.host_epoch(view, BODY) !== hostEpoch) {
      return new ProtocolError("BAD_FIELD", "NEGOTIATE is of another session");
    }
    this.#isNegotiated = isSpoken;
    const body = NegotiateResponse.encode({
      status: isSpoken ? Status.OK : VERSION_REFUSED,
      negotiated_version: RING_VERSION,
      pad: 0,
      capabilities: read.capabilities(view, BODY) & this.#capabilities,
      max_pending_urbs: Math.min(limits.urbs, MAX_URBS),
      max_devices: MAX_DEVICES,
      guest_epoch: guestEpoch,
      host_epoch: hostEpoch,
      reserved: 0,
    });
    this.channel.say(MessageType.NEGOTIATE_RESP, transaction, 0, body);
    if (isSpoken) {
      this.#place.negotiated();
      return undefined;
    }
    this.channel.flush();
    return new ProtocolError(
      "BAD_VERSION",
      `the guest speaks versions 0x${lowest.toString(16)} to 0x${highest.toString(16)}`,
    );
  }

  #submit(type: number, transaction: number, id: number): ProtocolError | undefined {
    const { view, bytes, length } = this.channel.incoming;
    if (transaction === 0) return new ProtocolError("BAD_FIELD", "a transaction without an id");
    if (this.#inFlight.find(transaction) >= 0) {
      return new ProtocolError("DUPLICATE_SEQNUM", `transaction ${transaction} is in flight`);
    }
    const isIso = type === MessageType.ISO_SUBMIT;
    const body = isIso ? IsoSubmit : UrbSubmit;
    const answer = isIso ? MessageType.ISO_COMPLETE : MessageType.URB_COMPLETE;
    const device = this.#find(id);
    if (device === undefined || body.read.device_id(view, BODY) !== id) {
      this.#stats.validationFailures++;
      const status = device === undefined ? Status.DISCONNECTED : Status.INVALID_PARAMETER;
      const endpoint = body.read.endpoint(view, BODY) & 15;
      refuseSubmit(this.channel, answer, transaction, id, endpoint, status);
      return undefined;
    }
    const isTaken = isIso
      ? device.submitIso(view, length, transaction)
      : device.submit(view, bytes, length, transaction);
    if (isTaken) this.#touch(device);
    return undefined;
  }

  #cancel(transaction: number, id: number): void {
    const tag = this.#inFlight.find(transaction);
    const device = tag >>> EXCHANGE_BITS === id ? this.#find(id) : undefined;
    const isFound = device !== undefined;
    if (isFound) {
      device.cancel(tag & ((1 << EXCHANGE_BITS) - 1));
      this.#touch(device);
    }
    const body = CancelAck.encode({
      status: isFound ? Status.OK : Status.NOT_FOUND,
      reserved: new Uint8Array(12),
    });
    this.channel.say(MessageType.URB_CANCEL_ACK, transaction, id, body);
  }

  #release(id: number): void {
    const device = this.#find(id);
    if (device !== undefined) this.#place.released(device);
  }

  #reset(transaction: number, id: number): void {
    const answer = (status: number): void => {
      const body = DeviceAck.encode({ device_id: id, status, reserved: new Uint8Array(8) });
      this.channel.say(MessageType.DEVICE_RESET_ACK, transaction, id, body);
      this.#sendSoon();
    };
    const device = this.#find(id);
    if (device === undefined) {
      answer(Status.DISCONNECTED);
    } else {
      device.reset(answer);
      this.#touch(device);
    }
  }

  #tellStats(transaction: number, id: number): void {
    const device = this.#find(id);
    const all = this.#devices.filter((each) => each instanceof HostDevice);
    const counters = (device === undefined ? all : [device]).map((each) => each.counters.read());
    const { slotCount } = this.#place.layout;
    const body = encodeStats(device?.id ?? 0, device?.stats ?? this.#stats, counters, {
      ring: this.channel.percent,
      buffers: Math.min(Math.round((100 * this.#guestSlots) / slotCount), 100),
    });
    this.channel.say(MessageType.STATS_RESPONSE, transaction, id, body);
  }

  #find(id: number): HostDevice | undefined {
    const device = id <= MAX_DEVICES ? this.#devices[id] : undefined;
    return device instanceof HostDevice ? device : undefined;
  }

  #touch(device: HostDevice): void {
    if (this.#touched.at(-1) !== device && !this.#touched.includes(device)) this.#touched.push(device);
  }

  #flushDevices(): void {
    this.#clock[0] = this.#place.loop.now();
    for (const device of this.#touched) device.device.flush();
    this.#touched.length = 0;
  }

  #sendSoon(): void {
    // What comes up while messages are read is sent when they have been read.
    if (this.#sendIsDue || this.#isPolling) return;
    this.#sendIsDue = true;
    this.#clock[0] = this.#place.loop.now();
    this.#place.loop.soon(this.#sendDue);
  }

  readonly #sendDue = (): void => {
    this.#sendIsDue = false;
    if (this.#isOver) return;
    const error = this.channel.flush();
    if (error !== undefined) this.#place.over(error);
  };
}

/** Bytes of the body of each message that a guest sends. */
const SIZES: ReadonlyMap<number, number> = new Map<number, number>([
  [MessageType.NEGOTIATE, Negotiate.size],
  [MessageType.DEVICE_ADD_ACK, DeviceAck.size],
  [MessageType.DEVICE_REMOVE_ACK, DeviceAck.size],
  [MessageType.DEVICE_RESET, DeviceRequest.size],
  [MessageType.DEVICE_RELEASE, DeviceRequest.size],
  [MessageType.HEARTBEAT, Heartbeat.size],
  [MessageType.GUEST_SHUTDOWN, Shutdown.size],
  [MessageType.SHUTDOWN_ACK, SHUTDOWN_ACK_SIZE],
  [MessageType.URB_SUBMIT, UrbSubmit.size],
  [MessageType.URB_CANCEL, DeviceRequest.size],
  [MessageType.ISO_SUBMIT, IsoSubmit.size],
  [MessageType.STATS_REQUEST, DeviceRequest.size],
  [MessageType.STREAM, StreamPart.size],
]);
