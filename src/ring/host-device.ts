import type { UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { type HeapPool, NONE } from "../usb/heap-pool.ts";
import type { InFlight } from "../usb/in-flight.ts";
import { latencyTicks } from "../usb/latency-histogram.ts";
import { TransferCounters } from "../usb/transfer-counters.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { packetsAreSound } from "../usb/urb-soundness.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import type { Channel } from "./channel.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { refuseSubmit, sendComplete, sendIsoComplete } from "./complete-message.ts";
import { Exchange } from "./exchange.ts";
import type { Layout } from "./layout.ts";
import type { RingLimits } from "./limits.ts";
import { SubmitWord } from "./message-words.ts";
import {
  BODY,
  Breaker,
  DataMode,
  ISO_SIZE,
  IsoSubmit,
  MessageType,
  SETUP_AT,
  TransferFlag,
  URB_SIZE,
} from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";
import { INLINE_SENT, INLINE_TAKEN, RingStats } from "./ring-stats.ts";
import { Status, statusOf, transferStatusOf } from "./status.ts";
import { checkIsoSubmit, checkSubmit, endpointAddress } from "./submit-check.ts";
import { TokenBucket } from "./token-bucket.ts";

const { ok, stall, cancelled, disconnected } = TransferStatus;
const { control, isochronous } = TransferType;
const { BUFFER, INLINE } = DataMode;

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { OK } = Status;
const { URB_COMPLETE } = MessageType;
const {
  endpoint: ENDPOINT,
  direction: DIRECTION,
  transfer_type: TYPE,
  transfer_length: LENGTH,
  transfer_flags: FLAGS,
  data_mode: MODE,
  buffer_offset: OFFSET,
  stream_id: STREAM,
} = SubmitWord;

/** What a device needs of the session that it is shared in. */
export interface HostDeviceOutput {
  readonly memory: RingMemory;
  readonly layout: Layout;
  readonly limits: RingLimits;
  readonly channel: Channel;
  readonly stats: RingStats;
  /** For OUT data that is copied. */
  readonly pool: HeapPool;
  /** Transaction ids in flight, of all devices: the device of each, and behind `EXCHANGE_BITS` its tag there. */
  readonly inFlight: InFlight;
  /** One number: the time of what goes on. A property would be an object at each look. */
  readonly clock: Float64Array;
  /** Something is to be sent, soon. Sets the clock. */
  sendSoon(): void;
  unplugged(device: HostDevice): void;
}

/** Bits of the tag of an exchange among those of its device. */
export const EXCHANGE_BITS = 16;

/** The sink of one device that the guest of a ring has, from its DEVICE_ADDED to its DEVICE_REMOVED. */
export class HostDevice implements UsbHost {
  readonly id: number;
  readonly device: UsbDevice;
  readonly counters: TransferCounters;
  readonly stats = new RingStats();
  /** Where the lives of its URBs are written. */
  trace: SessionTrace | undefined;
  readonly #map: EndpointMap;
  readonly #output: HostDeviceOutput;
  readonly #takesSharedData: boolean;
  readonly #bucket: TokenBucket;
  readonly #breaker: CircuitBreaker;
  /** By tag. */
  readonly #exchanges: Exchange[] = [];
  readonly #free: Exchange[] = [];
  #isResetting = false;
  #isClosing = false;
  #isOver = false;

  constructor(
    id: number,
    device: UsbDevice,
    map: EndpointMap,
    takesSharedData: boolean,
    output: HostDeviceOutput,
  ) {
    this.id = id;
    this.device = device;
    this.#map = map;
    this.counters = TransferCounters.of(map.addresses());
    this.#takesSharedData = takesSharedData;
    this.#output = output;
    this.#bucket = new TokenBucket(output.limits.rate, output.clock[0]!);
    const told = (type: number, reason: number, error_count: number): void => {
      if (this.#isOver) return;
      const body = Breaker.encode({ device_id: id, reason, error_count, reserved: 0 });
      output.channel.say(type, 0, id, body);
    };
    this.#breaker = new CircuitBreaker(output.limits.breaker, {
      tripped: (reason, errors) => told(MessageType.CIRCUIT_BREAKER_TRIP, reason, errors),
      mended: () => told(MessageType.CIRCUIT_BREAKER_RESET, 0, 0),
    });
  }

  get inFlight(): number {
    return this.#exchanges.length - this.#free.length;
  }

  /** It is on its way out: what is in flight ends as disconnected, and nothing is begun. */
  retire(): void {
    this.#isClosing = true;
  }

  /** The session is over: nothing is sent from here on. */
  silence(): void {
    this.#isClosing = true;
    this.#isOver = true;
  }

  /** A URB_SUBMIT; its fixed part is there. True: the device has it, and is to be flushed. */
  submit(words: Int32Array, bytes: Uint8Array, size: number, transaction: number): boolean {
    const { layout } = this.#output;
    this.#began();
    const refused = this.#refusal(checkSubmit(words, size, layout, this.#map));
    const address = endpointAddress(words[ENDPOINT]! >>> 0, words[DIRECTION]! >>> 0);
    if (refused !== OK) {
      this.#refuse(MessageType.URB_COMPLETE, transaction, address, refused);
      return false;
    }
    const length = words[LENGTH]!;
    const mode = words[MODE]!;
    const flags = words[FLAGS]!;
    const exchange = this.#takeExchange(transaction, mode, words[OFFSET]! >>> 0);
    const { urb } = exchange;
    urb.endpoint = address;
    urb.type = words[TYPE]! as TransferType;
    urb.flags = flags === 0 ? 0 : urbFlags(flags);
    urb.interval = this.#map.find(address)?.interval ?? 0;
    urb.startFrame = 0;
    urb.streamId = words[STREAM]! >>> 0;
    urb.length = length;
    urb.packetCount = 0;
    if (urb.type === control) for (let i = 0; i < 8; i++) urb.setup[i] = bytes[SETUP_AT + i]!;
    if (mode === INLINE) {
      this.#countInline();
      if (!isIn(address)) {
        copyBytes(bytes, URB_SIZE, length, exchange.inline, 0);
        this.#output.stats.copies += INLINE_TAKEN;
      }
    }
    return this.#start(URB_COMPLETE, exchange);
  }

  /** An ISO_SUBMIT likewise. */
  submitIso(view: DataView, size: number, transaction: number): boolean {
    const { layout } = this.#output;
    this.#began();
    const refused = this.#refusal(checkIsoSubmit(view, size, layout, this.#map));
    const read = IsoSubmit.read;
    const address = endpointAddress(read.endpoint(view, BODY), read.direction(view, BODY));
    if (refused !== Status.OK) {
      this.#refuse(MessageType.ISO_COMPLETE, transaction, address, refused);
      return false;
    }
    const length = read.total_length(view, BODY);
    const packetCount = read.number_of_packets(view, BODY);
    const reserved = this.#output.pool.reserve(Exchange.bytesOfPackets(packetCount));
    if (reserved === NONE) {
      this.#refuseMemory(MessageType.ISO_COMPLETE, transaction, address);
      return false;
    }
    const exchange = this.#takeExchange(
      transaction,
      length > 0 ? BUFFER : DataMode.NONE,
      read.buffer_offset(view, BODY),
    );
    exchange.reserved = reserved;
    const { urb } = exchange;
    urb.endpoint = address;
    urb.type = isochronous;
    urb.flags = urbFlags(read.transfer_flags(view, BODY));
    urb.interval = this.#map.find(address)!.interval;
    urb.startFrame = read.start_frame(view, BODY) | 0;
    urb.streamId = 0;
    urb.length = length;
    urb.packetCount = packetCount;
    exchange.takePackets(view, ISO_SIZE);
    if (packetsAreSound(urb)) return this.#start(MessageType.ISO_COMPLETE, exchange);
    this.#release(exchange);
    this.#breaker.ended(TransferStatus.invalid, this.#output.clock[0]!);
    this.#nonsense();
    this.#refuse(MessageType.ISO_COMPLETE, transaction, address, Status.INVALID_PARAMETER);
    return false;
  }

  cancel(tag: number): void {
    this.device.cancel(this.#exchanges[tag]!.urb);
  }

  complete(urb: Urb): void {
    const exchange = this.#exchanges[urb.tag]!;
    const { channel, inFlight } = this.#output;
    inFlight.remove(exchange.transaction);
    if (urb.type === control && urb.status === ok) this.#map.completed(urb.setup);
    if (!this.#isOver) {
      this.#output.sendSoon();
      const { status: ended } = urb;
      const status =
        ended === ok ? OK : statusOf(this.#isClosing && ended === cancelled ? disconnected : ended);
      if (urb.type === isochronous) sendIsoComplete(channel, this.id, exchange, status);
      else sendComplete(channel, this.id, exchange, status);
    }
    this.#breaker.ended(urb.status, this.#output.clock[0]!);
    this.#count(exchange);
    if (this.trace !== undefined && !this.#isOver) this.#traceLife(exchange, this.trace);
    this.#release(exchange);
  }

  unplugged(): void {
    if (!this.#isClosing) this.#output.unplugged(this);
  }

  /** `done` gets a status of the ring. */
  reset(done: (status: number) => void): void {
    if (this.#isClosing) {
      done(Status.DISCONNECTED);
    } else if (this.#isResetting) {
      done(Status.NO_RESOURCE);
    } else {
      this.#isResetting = true;
      this.device.reset((status) => {
        this.#isResetting = false;
        this.#map.configure(this.device.configuration);
        if (!this.#isOver) done(statusOf(status));
      });
    }
  }

  /** Every layer behind the check of the fields; `OK` if it may pass. */
  #refusal(checked: TransferStatus): number {
    const { limits, clock, stats } = this.#output;
    if (this.#isClosing) return Status.DISCONNECTED;
    if (checked !== ok) {
      if (checked !== stall) this.#nonsense();
      return statusOf(checked);
    }
    if (this.inFlight >= limits.urbs) return Status.NO_RESOURCE;
    if (!this.#bucket.take(clock[0]!)) {
      this.stats.rateLimitHits++;
      stats.rateLimitHits++;
      return Status.RATE_LIMITED;
    }
    return this.#breaker.passes(clock[0]!) ? OK : Status.CIRCUIT_BREAK;
  }

  #nonsense(): void {
    this.stats.validationFailures++;
    this.#output.stats.validationFailures++;
    this.#breaker.protocolError(this.#output.clock[0]!);
  }

  #began(): void {
    this.counters.submitted();
    this.stats.submitted++;
    this.#output.stats.submitted++;
  }

  #countInline(): void {
    this.stats.inlineSubmits++;
    this.#output.stats.inlineSubmits++;
  }

  #takeExchange(transaction: number, mode: number, bufferOffset: number): Exchange {
    const exchange = this.#free.pop() ?? this.#another();
    exchange.transaction = transaction;
    exchange.dataMode = mode;
    exchange.bufferOffset = bufferOffset;
    exchange.arrivedMs = this.#output.clock[0]!;
    exchange.moved = 0;
    const { urb } = exchange;
    urb.status = ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    return exchange;
  }

  #another(): Exchange {
    const exchange = new Exchange(this.#exchanges.length);
    this.#exchanges.push(exchange);
    return exchange;
  }

  /** Gives it its memory and to the device; or refuses it, and takes back what it had. */
  #start(answer: number, exchange: Exchange): boolean {
    const { memory, pool, inFlight } = this.#output;
    const { urb, transaction } = exchange;
    urb.buffer = exchange.inline;
    urb.offset = 0;
    if (exchange.dataMode === BUFFER) {
      if (isIn(urb.endpoint) || this.#takesSharedData) {
        urb.buffer = memory.bytes;
        urb.offset = exchange.bufferOffset;
      } else {
        exchange.copy = pool.take(urb.length);
        if (exchange.copy === undefined) {
          this.#release(exchange);
          this.#refuseMemory(answer, transaction, urb.endpoint);
          return false;
        }
        copyBytes(memory.bytes, exchange.bufferOffset, urb.length, exchange.copy, 0);
        this.#output.stats.copies++;
        urb.buffer = exchange.copy;
      }
    }
    inFlight.put(inFlight.vacancy(transaction), transaction, (this.id << EXCHANGE_BITS) | urb.tag);
    this.device.submit(urb);
    return true;
  }

  /** What was let through has ended, for the breaker. */
  #refuseMemory(answer: number, transaction: number, address: number): void {
    this.#breaker.ended(TransferStatus.noMemory, this.#output.clock[0]!);
    this.#refuse(answer, transaction, address, Status.NO_RESOURCE);
  }

  #release(exchange: Exchange): void {
    if (exchange.reserved > 0) {
      this.#output.pool.unreserve(exchange.reserved);
      exchange.reserved = 0;
    }
    if (exchange.copy !== undefined) {
      this.#output.pool.give(exchange.copy);
      exchange.copy = undefined;
    }
    exchange.urb.buffer = exchange.inline;
    exchange.forgetLargeTable();
    this.#free.push(exchange);
  }

  /** Answers a request that leads to no transfer. */
  #refuse(type: number, transaction: number, address: number, status: number): void {
    this.counters.refused(Math.max(address, 0), transferStatusOf(status));
    const { stats } = this.#output;
    this.stats.failed++;
    stats.failed++;
    stats.refusals.add(status);
    refuseSubmit(this.#output.channel, type, transaction, this.id, address & 15, status);
  }

  #count({ urb, moved, arrivedMs, dataMode }: Exchange): void {
    const tookMs = this.#output.clock[0]! - arrivedMs;
    this.counters.ended(urb.endpoint, urb.status, moved, latencyTicks(tookMs));
    this.stats.ended(urb.status, isIn(urb.endpoint), moved);
    const { stats } = this.#output;
    stats.ended(urb.status, isIn(urb.endpoint), moved);
    stats.latency.add(tookMs);
    if (dataMode === INLINE && moved > 0 && isIn(urb.endpoint)) stats.copies += INLINE_SENT;
  }

  /** Its answer stands in the ring, or in front of it, where nothing is known of it any more. */
  #traceLife({ transaction, arrivedMs, urb }: Exchange, { urbs, session }: SessionTrace): void {
    const completedMs = this.#output.clock[0]!;
    urbs.add(session, { seqnum: transaction, arrivedMs, completedMs, urb }, completedMs);
  }
}

function urbFlags(bits: number): number {
  let flags = 0;
  if (bits & TransferFlag.SHORT_NOT_OK) flags |= UrbFlag.shortNotOk;
  if (bits & TransferFlag.ISO_ASAP) flags |= UrbFlag.isoAsap;
  if (bits & TransferFlag.ZERO_PACKET) flags |= UrbFlag.zeroPacket;
  return flags;
}
