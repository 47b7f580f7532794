import type { UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { latencyTicks } from "../usb/latency-histogram.ts";
import type { Loop } from "../usb/loop.ts";
import { TransferCounters } from "../usb/transfer-counters.ts";
import { PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound } from "../usb/urb-soundness.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { Exchange, type ExchangeOwner } from "./exchange.ts";
import type { WslusbLimits } from "./limits.ts";
import {
  IsoRequest,
  IsoResult,
  MessageType,
  RequestFlag,
  SETUP_AT,
  UrbRequest,
  UrbResponse,
} from "./messages.ts";
import { DeviceLanes, type Outbox } from "./outbox.ts";
import { looseMessage } from "./outgoing.ts";
import { requestPriority, responsePriority } from "./priorities.ts";
import { Room } from "./room.ts";
import type { MemoryShare, SharedMemory } from "./shared-memory.ts";
import { Status } from "./status.ts";

/** What an attached device needs of the connection it is attached over. */
export interface HostDeviceOutput {
  readonly outbox: Outbox;
  readonly memory: SharedMemory;
  readonly loop: Loop;
  readonly limits: WslusbLimits;
  /** In flight, by sequence number: those of all devices. */
  readonly inFlight: Map<number, Exchange>;
  /** Devices that are to be flushed when all that came has been read. */
  readonly touched: Set<HostDevice>;
  /** When the bytes came that are being read. */
  readonly arrivedMs: number;
  /** When they were answered: the first of those that are answered while what came is worked off tells it for all. */
  readonly answeredMs: number;
  /** The client may send more bytes to this device. */
  grant(handle: number, bytes: number): void;
  /** Something is to be sent, soon. */
  sendSoon(): void;
  /** Another configuration of it is active. */
  configured(device: HostDevice): void;
  unplugged(device: HostDevice): void;
}

const NOT_COMPLETED = -1;

/** The sink of one device that a client has attached. */
export class HostDevice implements UsbHost, ExchangeOwner {
  readonly handle: number;
  readonly device: UsbDevice;
  readonly lanes: DeviceLanes;
  readonly counters: TransferCounters;
  trace: SessionTrace | undefined;
  readonly #map: EndpointMap;
  readonly #output: HostDeviceOutput;
  readonly #room: Room;
  readonly #share: MemoryShare = { taken: 0 };
  /** By tag. */
  readonly #exchanges: Exchange[] = [];
  readonly #free: Exchange[] = [];
  /** How the request that is being read is refused, where it has no exchange. */
  readonly #refusals = new Map<number, Refusal>();
  #isResetting = false;
  #isStopped = false;

  /** `credit`: what the client has room for. */
  constructor(handle: number, device: UsbDevice, map: EndpointMap, credit: number, output: HostDeviceOutput) {
    this.handle = handle;
    this.device = device;
    this.#map = map;
    this.counters = TransferCounters.of(map.addresses());
    this.#output = output;
    this.lanes = new DeviceLanes(credit);
    this.#room = new Room(output.limits.credit);
  }

  /** The client has it no longer: nothing is carried out, answered or sent from here on. */
  stop(): void {
    this.#isStopped = true;
    this.#refusals.clear();
    // The client may use their numbers again as soon as it knows.
    for (const exchange of this.#exchanges) this.#forget(exchange);
    this.#output.outbox.clear(this.lanes);
  }

  spend(bytes: number): ProtocolError | undefined {
    return this.#isStopped ? undefined : this.#room.spend(bytes);
  }

  /** A frame that costs credit has been read. */
  refund(): void {
    if (!this.#isStopped) this.#output.touched.add(this);
  }

  /**
   * All that came has been read. Only here is credit given back: the client cannot have had it for what it sent in the same
   * breath.
   */
  flush(): void {
    const bytes = this.#room.refund();
    if (bytes > 0) this.#output.grant(this.handle, bytes);
    this.device.flush();
  }

  /** A UrbRequest begins. Nothing: it will be refused, and what belongs to it is dropped. */
  begin(sequence: number, head: Uint8Array, at: number): Exchange | undefined {
    if (this.#isStopped) return undefined;
    this.counters.submitted();
    const length = UrbRequest.transfer_buffer_length(head, at);
    const packetCount = UrbRequest.number_of_packets(head, at);
    const endpoint = UrbRequest.endpoint(head, at);
    const type = UrbRequest.transfer_type(head, at) as TransferType;
    const refused = this.#judge(type, endpoint, length, packetCount, head[at + SETUP_AT]!);
    const memory =
      refused === undefined && this.#exchanges.length - this.#free.length < this.#output.limits.urbs
        ? this.#output.memory.take(
            this.#share,
            Exchange.bytesFor(length, packetCount),
            Exchange.costOf(length, packetCount),
          )
        : undefined;
    if (memory === undefined) {
      const status = refused ?? TransferStatus.noMemory;
      this.#refusals.set(sequence, { status, endpoint, type, packetCount });
      return undefined;
    }
    const exchange = this.#free.pop() ?? this.#another();
    const { urb } = exchange;
    exchange.sequence = sequence;
    exchange.arrivedMs = this.#output.arrivedMs;
    exchange.completedMs = NOT_COMPLETED;
    urb.endpoint = endpoint;
    urb.type = type;
    urb.flags = urbFlags(UrbRequest.flags(head, at));
    urb.interval = UrbRequest.interval(head, at) | 0;
    urb.startFrame = UrbRequest.start_frame(head, at) | 0;
    urb.streamId = UrbRequest.stream_id(head, at);
    urb.length = length;
    urb.packetCount = packetCount;
    urb.status = TransferStatus.ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    for (let i = 0; i < 8; i++) urb.setup[i] = head[at + SETUP_AT + i]!;
    exchange.prepare(memory);
    return exchange;
  }

  /** The packet table of a request. */
  packets(exchange: Exchange | undefined, bytes: Uint8Array, at: number, count: number): void {
    if (exchange === undefined) return;
    const { packets } = exchange.urb;
    for (let i = 0; i < count; i++) {
      const word = i * PACKET_WORDS;
      packets[word + PacketWord.offset] = IsoRequest.offset(bytes, at + i * IsoRequest.size);
      packets[word + PacketWord.length] = IsoRequest.length(bytes, at + i * IsoRequest.size);
      packets[word + PacketWord.actualLength] = 0;
      packets[word + PacketWord.status] = TransferStatus.notDone;
    }
  }

  /** All of a request has come. */
  submit(sequence: number, exchange: Exchange | undefined): void {
    if (exchange === undefined) {
      this.#answerRefused(sequence);
    } else if (this.#isStopped) {
      this.release(exchange);
    } else if (this.#isResetting) {
      // The device ends what it has before it is reset, and would keep what comes behind.
      exchange.urb.status = TransferStatus.cancelled;
      this.#respond(exchange);
    } else if (packetsAreSound(exchange.urb)) {
      this.#output.inFlight.set(sequence, exchange);
      this.#output.touched.add(this);
      this.device.submit(exchange.urb);
    } else {
      exchange.urb.status = TransferStatus.invalid;
      this.#respond(exchange);
    }
  }

  /** The client has given up a request before all of it had come. */
  abandon(sequence: number, exchange: Exchange | undefined): void {
    const refusal = this.#refusals.get(sequence);
    this.#refusals.delete(sequence);
    const endpoint = exchange?.urb.endpoint ?? refusal?.endpoint;
    if (endpoint !== undefined) this.counters.refused(endpoint, TransferStatus.cancelled);
    if (exchange !== undefined) this.release(exchange);
  }

  complete(urb: Urb): void {
    const exchange = this.#exchanges[urb.tag]!;
    this.#forget(exchange);
    if (urb.type === TransferType.control && urb.status === TransferStatus.ok) {
      this.#configure(() => this.#map.completed(urb.setup));
    }
    if (this.#isStopped) {
      this.#count(exchange, 0);
      this.release(exchange);
      return;
    }
    this.#respond(exchange);
    this.#output.sendSoon();
  }

  unplugged(): void {
    if (!this.#isStopped) this.#output.unplugged(this);
  }

  /** `done` gets a status of the wire. */
  reset(done: (status: number) => void): void {
    if (this.#isResetting) {
      done(Status.BUSY);
      return;
    }
    this.#isResetting = true;
    this.#output.touched.add(this);
    this.device.reset((status) => {
      this.#isResetting = false;
      this.#configure(() => this.#map.configure(this.device.configuration));
      if (!this.#isStopped) done(status);
    });
  }

  cancel({ urb }: Exchange): boolean {
    if (this.#isStopped) return false;
    this.#output.touched.add(this);
    this.device.cancel(urb);
    return true;
  }

  release(exchange: Exchange): void {
    if (this.trace !== undefined) this.#traceLife(exchange, this.trace);
    this.#output.memory.give(this.#share, exchange.memory, exchange.cost);
    exchange.forgetLargeTable();
    this.#free.push(exchange);
  }

  forgetMemory(): void {
    for (const exchange of this.#free) exchange.forgetMemory();
  }

  /** Nothing for a transfer that can be given to the device. */
  #judge(
    type: TransferType,
    endpoint: number,
    length: number,
    packetCount: number,
    bmRequestType: number,
  ): TransferStatus | undefined {
    const isControl = (endpoint & 15) === 0;
    const actual = isControl ? TransferType.control : this.#map.find(endpoint)?.type;
    if (actual === undefined) return TransferStatus.stall;
    const isSound = type === actual && isSubmitSound(type, endpoint, length, packetCount, bmRequestType);
    return isSound ? undefined : TransferStatus.invalid;
  }

  #configure(change: () => void): void {
    const before = this.#map.configuration;
    change();
    if (this.#map.configuration !== before && !this.#isStopped) this.#output.configured(this);
  }

  #another(): Exchange {
    const exchange = new Exchange(this.#exchanges.length, this);
    this.#exchanges.push(exchange);
    return exchange;
  }

  #forget(exchange: Exchange): void {
    const { inFlight } = this.#output;
    if (inFlight.get(exchange.sequence) === exchange) inFlight.delete(exchange.sequence);
  }

  #respond(exchange: Exchange): void {
    const { urb } = exchange;
    const transferred = exchange.encodeResponse();
    this.#count(exchange, transferred);
    if (this.trace !== undefined) exchange.completedMs = this.#output.loop.now();
    const priority = responsePriority(urb.type, urb.status, transferred);
    this.#output.outbox.add(exchange.response, this.lanes.lanes[priority]);
  }

  #answerRefused(sequence: number): void {
    const refusal = this.#refusals.get(sequence);
    if (refusal === undefined) return;
    this.#refusals.delete(sequence);
    const { status, endpoint, type, packetCount } = refusal;
    this.counters.refused(endpoint, status);
    const payload = new Uint8Array(UrbResponse.size + packetCount * IsoResult.size);
    UrbResponse.put.status(payload, 0, status);
    UrbResponse.put.error_count(payload, 0, packetCount);
    UrbResponse.put.number_of_packets(payload, 0, packetCount);
    for (let at = UrbResponse.size; at < payload.length; at += IsoResult.size) {
      IsoResult.put.status(payload, at, Status.NOT_DONE);
    }
    const lane = this.lanes.lanes[requestPriority(type)];
    this.#output.outbox.add(looseMessage(MessageType.UrbResponse, sequence, payload), lane);
  }

  #count({ urb, arrivedMs }: Exchange, moved: number): void {
    const tookMs = this.#output.answeredMs - arrivedMs;
    this.counters.ended(urb.endpoint, urb.status, moved, latencyTicks(tookMs));
  }

  /** Of one whose answer has left. */
  #traceLife({ sequence, arrivedMs, completedMs, urb, response }: Exchange, trace: SessionTrace): void {
    if (completedMs === NOT_COMPLETED || !response.isWhole) return;
    trace.urbs.add(trace.session, { seqnum: sequence, arrivedMs, completedMs, urb }, this.#output.loop.now());
  }
}

interface Refusal {
  readonly status: TransferStatus;
  readonly endpoint: number;
  readonly type: TransferType;
  readonly packetCount: number;
}

function urbFlags(bits: number): number {
  let flags = 0;
  if (bits & RequestFlag.SHORT_NOT_OK) flags |= UrbFlag.shortNotOk;
  if (bits & RequestFlag.ISO_ASAP) flags |= UrbFlag.isoAsap;
  if (bits & RequestFlag.ZERO_PACKET) flags |= UrbFlag.zeroPacket;
  return flags;
}
