import type { UsbDevice } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import { InFlight } from "../usb/in-flight.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { refuseSubmit } from "./complete-message.ts";
import { encodeDeviceAdded } from "./device-added.ts";
import type { Exchange } from "./exchange.ts";
import { EXCHANGE_BITS, HostDevice, type HostDeviceOutput } from "./host-device.ts";
import { FROM_GUEST } from "./incoming.ts";
import { RING_VERSION } from "./layout.ts";
import { MAX_DEVICES, MAX_URBS } from "./limits.ts";
import { SubmitWord } from "./message-words.ts";
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
  MessageType,
  Negotiate,
  NegotiateResponse,
  UrbSubmit,
  VERSION_REFUSED,
} from "./messages.ts";
import { type RingFigures, ringFigures } from "./ring-figures.ts";
import { RingSession, type SessionPlace } from "./session.ts";
import type { HostOutput } from "./sides.ts";
import { encodeStats } from "./stats-response.ts";
import { Status } from "./status.ts";
import { RingStream, Streams } from "./streams.ts";

export interface HostSessionPlace extends SessionPlace {
  readonly streams: HostOutput["streams"];
  /** The guest does not want a device any more. */
  released(device: HostDevice): void;
  unplugged(device: HostDevice): void;
}

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { ISO_SUBMIT } = MessageType;
const { device_id: ID } = SubmitWord;

/** What one guest says from its NEGOTIATE on, and the devices that it has. */
export class HostSession extends RingSession<HostSessionPlace> {
  readonly #forDevices: HostDeviceOutput;
  readonly #streams: Streams;
  readonly #inFlight = new InFlight();
  /** By id; those whose removal the guest has not acknowledged keep their ids. */
  readonly #devices: (HostDevice | "removed" | undefined)[] = [];
  /** Devices that are to be flushed when all that came has been read: so many of those. */
  readonly #touched: HostDevice[] = [];
  #touchedCount = 0;
  /** Exchanges whose answers are written, and not shown to the guest; and their devices. */
  readonly #answered: Exchange[] = [];
  readonly #answerers: HostDevice[] = [];
  #answeredCount = 0;
  #sendIsDue = false;
  /** As the guest has told. */
  #guestSlots = 0;
  #guestSlotsPeak = 0;

  constructor(place: HostSessionPlace) {
    super(place, "host", FROM_GUEST);
    const { memory, layout, limits, loop, streams } = place;
    this.#streams = new Streams(
      this.channel,
      loop,
      () => this.#sendSoon(),
      () => place.idle(),
      streams &&
        ((id, carrier) => {
          const stream = new RingStream(id, streams.peer, carrier);
          loop.soon(() => streams.accepted(stream));
          return stream;
        }),
    );
    this.#forDevices = {
      memory,
      layout,
      limits,
      channel: this.channel,
      stats: this.stats,
      pool: new HeapPool(limits.bytes),
      inFlight: this.#inFlight,
      clock: this.clock,
      sendSoon: () => this.#sendSoon(),
      answered: (device, exchange) => {
        const at = this.#answeredCount++;
        this.#answered[at] = exchange;
        this.#answerers[at] = device;
      },
      unplugged: (device) => place.unplugged(device),
    };
  }

  get hasStreams(): boolean {
    return this.#streams.areOpen;
  }

  get #capabilities(): number {
    return this.place.streams === undefined ? ALL_CAPABILITIES & ~Capability.STREAMS : ALL_CAPABILITIES;
  }

  get pendingUrbs(): number {
    return this.#inFlight.count;
  }

  get figures(): RingFigures {
    this.settle();
    const { hostEpoch, guestEpoch, layout } = this.place;
    return ringFigures(this.channel, this.stats, {
      hostEpoch,
      guestEpoch,
      inFlight: this.#inFlight.count,
      slots: {
        count: layout.slotCount,
        size: layout.slotSize,
        used: this.#guestSlots,
        peak: this.#guestSlotsPeak,
      },
    });
  }

  /** Answers find no room: nothing more is read before they do. */
  protected override get isReading(): boolean {
    return this.channel.waiting <= this.place.limits.waiting;
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
    if (this.isOver) return;
    this.settle();
    this.#devices[device.id] = "removed";
    const body = DeviceRemoved.encode({ device_id: device.id, reason, reserved: new Uint8Array(8) });
    this.channel.say(MessageType.DEVICE_REMOVED, 0, device.id, body);
    this.#sendSoon();
  }

  /** Tells the guest that the host goes away. */
  farewell(reason: number): void {
    this.goodbye(MessageType.HOST_SHUTDOWN, 0, reason);
  }

  /** Nothing is taken, carried out or sent from here on. */
  silence(): void {
    this.settle();
    this.isOver = true;
    this.#streams.end();
    for (const device of this.#devices) if (device instanceof HostDevice) device.silence();
  }

  protected take(type: number, transaction: number, id: number): ProtocolError | undefined {
    const { view } = this.channel.incoming;
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
        this.#guestSlots = Math.min(Heartbeat.read.used_slots(view, BODY), this.place.layout.slotCount);
        this.#guestSlotsPeak = Math.max(this.#guestSlots, this.#guestSlotsPeak);
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
        this.leave(transaction);
        return undefined;
      default:
        return undefined;
    }
  }

  #negotiate(transaction: number): ProtocolError | undefined {
    const { view } = this.channel.incoming;
    const { guestEpoch, hostEpoch, limits } = this.place;
    if (this.isNegotiated) return new ProtocolError("BAD_COMMAND", "a second NEGOTIATE");
    const read = Negotiate.read;
    const lowest = read.min_version(view, BODY);
    const highest = read.max_version(view, BODY);
    const isSpoken = lowest <= RING_VERSION && highest >= RING_VERSION;
    if (read.guest_epoch(view, BODY) !== guestEpoch || read.host_epoch(view, BODY) !== hostEpoch) {
      return new ProtocolError("BAD_FIELD", "NEGOTIATE is of another session");
    }
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
      this.greeted();
      return undefined;
    }
    this.channel.flush();
    return new ProtocolError(
      "BAD_VERSION",
      `the guest speaks versions 0x${lowest.toString(16)} to 0x${highest.toString(16)}`,
    );
  }

  #submit(type: number, transaction: number, id: number): ProtocolError | undefined {
    const { view, words, bytes, length } = this.channel.incoming;
    if (transaction === 0) return new ProtocolError("BAD_FIELD", "a transaction without an id");
    const place = this.#inFlight.vacancy(transaction);
    if (place < 0) {
      return new ProtocolError("DUPLICATE_SEQNUM", `transaction ${transaction} is in flight`);
    }
    const isIso = type === ISO_SUBMIT;
    const device = this.#find(id);
    // Both begin with it.
    if (device === undefined || words[ID]! >>> 0 !== id) {
      const body = isIso ? IsoSubmit : UrbSubmit;
      const answer = isIso ? MessageType.ISO_COMPLETE : MessageType.URB_COMPLETE;
      this.stats.validationFailures++;
      const status = device === undefined ? Status.DISCONNECTED : Status.INVALID_PARAMETER;
      this.stats.refusals.add(status);
      const endpoint = body.read.endpoint(view, BODY) & 15;
      refuseSubmit(this.channel, answer, transaction, id, endpoint, status);
      return undefined;
    }
    const isTaken = isIso
      ? device.submitIso(view, length, transaction, place)
      : device.submit(words, bytes, length, transaction, place);
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
    if (device !== undefined) this.place.released(device);
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
    this.settle();
    const device = this.#find(id);
    const all = this.#devices.filter((each) => each instanceof HostDevice);
    const counters = (device === undefined ? all : [device]).map((each) => each.account.counters.read());
    const { slotCount } = this.place.layout;
    const body = encodeStats(device?.id ?? 0, device?.account.stats ?? this.stats, counters, {
      ring: this.channel.percent,
      buffers: Math.round((100 * this.#guestSlots) / slotCount),
    });
    this.channel.say(MessageType.STATS_RESPONSE, transaction, id, body);
  }

  #find(id: number): HostDevice | undefined {
    const device = id <= MAX_DEVICES ? this.#devices[id] : undefined;
    return device instanceof HostDevice ? device : undefined;
  }

  #touch(device: HostDevice): void {
    if (device.isTouched) return;
    device.isTouched = true;
    this.#touched[this.#touchedCount++] = device;
  }

  protected override began(): void {
    this.clock[0] = this.place.loop.now();
  }

  protected override taken(): void {
    for (let i = 0; i < this.#touchedCount; i++) {
      const device = this.#touched[i]!;
      device.isTouched = false;
      device.device.flush();
    }
    this.#touchedCount = 0;
  }

  /** Behind what the guest may be waiting for. */
  protected override settle(): void {
    const count = this.#answeredCount;
    if (count === 0) return;
    this.#answeredCount = 0;
    this.clock[0] = this.place.loop.now();
    for (let i = 0; i < count; i++) this.#answerers[i]!.settle(this.#answered[i]!);
  }

  #sendSoon(): void {
    // What comes up while messages are read is sent when they have been read.
    if (this.#sendIsDue || this.isPolling) return;
    this.#sendIsDue = true;
    this.clock[0] = this.place.loop.now();
    this.place.loop.soon(this.#sendDue);
  }

  readonly #sendDue = (): void => {
    this.#sendIsDue = false;
    if (this.isOver) return;
    const error = this.channel.flush();
    this.settle();
    if (error === undefined) this.place.sent();
    else this.place.over(error);
  };
}
