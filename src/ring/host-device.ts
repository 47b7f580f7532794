import type { UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { type HeapPool, NONE } from "../usb/heap-pool.ts";
import type { InFlight } from "../usb/in-flight.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { packetsAreSound } from "../usb/urb-soundness.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { Account } from "./account.ts";
import { Admission } from "./admission.ts";
import type { Channel } from "./channel.ts";
import { refuseSubmit, sendComplete, sendIsoComplete } from "./complete-message.ts";
import { Exchange } from "./exchange.ts";
import { ExchangeTable } from "./exchange-table.ts";
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
import type { RingStats } from "./ring-stats.ts";
import { Status, statusOf } from "./status.ts";
import { checkIsoSubmit, checkSubmit, endpointAddress } from "./submit-check.ts";

const { ok, stall, cancelled, disconnected, invalid, noMemory } = TransferStatus;
const { control, isochronous, interrupt } = TransferType;

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { BUFFER, INLINE } = DataMode;
const { OK, DISCONNECTED } = Status;
const { URB_COMPLETE, ISO_COMPLETE } = MessageType;
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
const isIncoming = isIn;

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
  /** The answer of an exchange is written; `settle` is to follow when the guest sees it. */
  answered(device: HostDevice, exchange: Exchange): void;
  unplugged(device: HostDevice): void;
}

/** Bits of the tag of an exchange among those of its device. */
export const EXCHANGE_BITS = 16;

/** The sink of one device that the guest of a ring has, from its DEVICE_ADDED to its DEVICE_REMOVED. */
export class HostDevice implements UsbHost {
  readonly id: number;
  readonly device: UsbDevice;
  readonly account: Account;
  /** Where the lives of its URBs are written. */
  trace: SessionTrace | undefined;
  /** It has something that is not flushed. */
  isTouched = false;
  readonly #map: EndpointMap;
  readonly #output: HostDeviceOutput;
  readonly #takesSharedData: boolean;
  readonly #admission: Admission;
  readonly #exchanges = new ExchangeTable();
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
    this.account = new Account(map.addresses(), output.stats, output.clock);
    this.#takesSharedData = takesSharedData;
    this.#output = output;
    this.#admission = new Admission(output.limits, output.clock, (type, reason, error_count) => {
      if (this.#isOver) return;
      const body = Breaker.encode({ device_id: id, reason, error_count, reserved: 0 });
      output.channel.say(type, 0, id, body);
    });
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

  /**
   * A URB_SUBMIT; its fixed part is there. `place` is the one that its transaction is to have in flight. True: the device has it,
   * and is to be flushed.
   */
  submit(words: Int32Array, bytes: Uint8Array, size: number, transaction: number, place: number): boolean {
    this.account.began();
    const checked = checkSubmit(words, size, this.#output.layout, this.#map);
    const address = endpointAddress(words[ENDPOINT]! >>> 0, words[DIRECTION]! >>> 0);
    const refused = this.#refusal(checked);
    if (refused !== OK) {
      this.#refuse(URB_COMPLETE, transaction, address, refused);
      return false;
    }
    const mode = words[MODE]!;
    const flags = words[FLAGS]!;
    const exchange = this.#takeExchange(transaction, mode, words[OFFSET]! >>> 0);
    const { urb } = exchange;
    const type = words[TYPE]! as TransferType;
    urb.endpoint = address;
    urb.type = type;
    urb.flags = flags === 0 ? 0 : urbFlags(flags);
    // Of the others it is 0.
    urb.interval = type === interrupt ? (this.#map.find(address)?.interval ?? 0) : 0;
    urb.startFrame = 0;
    urb.streamId = words[STREAM]! >>> 0;
    urb.length = words[LENGTH]!;
    urb.packetCount = 0;
    if (type === control) for (let i = 0; i < 8; i++) urb.setup[i] = bytes[SETUP_AT + i]!;
    if (mode === INLINE) this.#takeInline(exchange, bytes);
    return this.#start(URB_COMPLETE, exchange, place);
  }

  /** An ISO_SUBMIT likewise. */
  submitIso(view: DataView, size: number, transaction: number, place: number): boolean {
    this.account.began();
    const refused = this.#refusal(checkIsoSubmit(view, size, this.#output.layout, this.#map));
    const read = IsoSubmit.read;
    const address = endpointAddress(read.endpoint(view, BODY), read.direction(view, BODY));
    if (refused !== OK) {
      this.#refuse(ISO_COMPLETE, transaction, address, refused);
      return false;
    }
    const length = read.total_length(view, BODY);
    const packetCount = read.number_of_packets(view, BODY);
    const reserved = this.#output.pool.reserve(Exchange.bytesOfPackets(packetCount));
    if (reserved === NONE) {
      this.#refuseMemory(ISO_COMPLETE, transaction, address);
      return false;
    }
    const mode = length > 0 ? BUFFER : DataMode.NONE;
    const exchange = this.#takeExchange(transaction, mode, read.buffer_offset(view, BODY));
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
    if (packetsAreSound(urb)) return this.#start(ISO_COMPLETE, exchange, place);
    this.#release(exchange);
    this.#admission.ended(invalid);
    this.#nonsense();
    this.#refuse(ISO_COMPLETE, transaction, address, Status.INVALID_PARAMETER);
    return false;
  }

  cancel(tag: number): void {
    this.device.cancel(this.#exchanges.at(tag).urb);
  }

  complete(urb: Urb): void {
    const exchange = this.#exchanges.at(urb.tag);
    const output = this.#output;
    const { status: ended, type } = urb;
    output.inFlight.remove(exchange.transaction);
    if (type === control && ended === ok) this.#map.completed(urb.setup);
    if (this.#isOver) {
      this.#admission.ended(ended);
      this.settle(exchange);
      return;
    }
    output.sendSoon();
    const status =
      ended === ok ? OK : statusOf(this.#isClosing && ended === cancelled ? disconnected : ended);
    if (type === isochronous) sendIsoComplete(output.channel, this.id, exchange, status);
    else sendComplete(output.channel, this.id, exchange, status);
    this.#admission.ended(ended);
    output.answered(this, exchange);
  }

  /** Counts what has ended, and lets go of it. The guest has its answer, and waits no longer for that. */
  settle(exchange: Exchange): void {
    this.account.ended(exchange);
    if (this.trace !== undefined && !this.#isOver) this.#traceLife(exchange, this.trace);
    this.#release(exchange);
  }

  unplugged(): void {
    if (!this.#isClosing) this.#output.unplugged(this);
  }

  /** `done` gets a status of the ring. */
  reset(done: (status: number) => void): void {
    if (this.#isClosing) {
      done(DISCONNECTED);
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
    if (this.#isClosing) return DISCONNECTED;
    if (checked === ok) return this.#admission.ask(this.#exchanges.used);
    if (checked !== stall) this.#nonsense();
    return statusOf(checked);
  }

  #nonsense(): void {
    this.account.nonsense();
    this.#admission.nonsense();
  }

  #takeExchange(transaction: number, mode: number, bufferOffset: number): Exchange {
    const exchange = this.#exchanges.take();
    exchange.transaction = transaction;
    exchange.dataMode = mode;
    exchange.bufferOffset = bufferOffset;
    exchange.arrivedMs = this.#output.clock[0]!;
    return exchange;
  }

  #takeInline({ urb, inline }: Exchange, bytes: Uint8Array): void {
    const isOut = !isIncoming(urb.endpoint);
    if (isOut) copyBytes(bytes, URB_SIZE, urb.length, inline, 0);
    this.account.inline(isOut);
  }

  /** Gives it its memory and to the device; or refuses it, and takes back what it had. */
  #start(answer: number, exchange: Exchange, place: number): boolean {
    const { memory, inFlight } = this.#output;
    const { urb, transaction } = exchange;
    if (exchange.dataMode !== BUFFER) {
      urb.buffer = exchange.inline;
      urb.offset = 0;
    } else if (this.#takesSharedData || isIncoming(urb.endpoint)) {
      if (urb.buffer !== memory.bytes) urb.buffer = memory.bytes;
      urb.offset = exchange.bufferOffset;
    } else if (!this.#copyOut(exchange)) {
      this.#release(exchange);
      this.#refuseMemory(answer, transaction, urb.endpoint);
      return false;
    }
    inFlight.put(place, transaction, (this.id << EXCHANGE_BITS) | urb.tag);
    this.device.submit(urb);
    return true;
  }

  /** Out of the reach of the guest. False: there is no memory for it. */
  #copyOut(exchange: Exchange): boolean {
    const { memory, pool } = this.#output;
    const { urb } = exchange;
    const copy = pool.take(urb.length);
    if (copy === undefined) return false;
    copyBytes(memory.bytes, exchange.bufferOffset, urb.length, copy, 0);
    this.account.copied();
    exchange.copy = copy;
    urb.buffer = copy;
    urb.offset = 0;
    return true;
  }

  /** What was let through has ended, for the breaker. */
  #refuseMemory(answer: number, transaction: number, address: number): void {
    this.#admission.ended(noMemory);
    this.#refuse(answer, transaction, address, Status.NO_RESOURCE);
  }

  #release(exchange: Exchange): void {
    const { urb } = exchange;
    if (exchange.reserved > 0) {
      this.#output.pool.unreserve(exchange.reserved);
      exchange.reserved = 0;
    }
    if (exchange.copy !== undefined) {
      this.#output.pool.give(exchange.copy);
      exchange.copy = undefined;
      urb.buffer = exchange.inline;
    }
    if (urb.type === isochronous) exchange.forgetLargeTable();
    this.#exchanges.give(exchange);
  }

  /** Answers a request that leads to no transfer. */
  #refuse(type: number, transaction: number, address: number, status: number): void {
    this.account.refused(address, status);
    refuseSubmit(this.#output.channel, type, transaction, this.id, address & 15, status);
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
