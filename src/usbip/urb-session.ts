import type { BufferPool, UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import type { Loop } from "../usb/loop.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { CommandReader, type CommandTarget } from "./command-reader.ts";
import { EarlyUnlinks } from "./early-unlinks.ts";
import {
  blankRetSubmit,
  Exchange,
  encodePackets,
  encodeRetSubmit,
  encodeRetUnlink,
  NOT_UNLINKED,
} from "./exchange.ts";
import { InFlight } from "./in-flight.ts";
import {
  CmdSubmit,
  CmdUnlink,
  Direction,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
  MAX_ISO_PACKETS,
} from "./pdu.ts";
import { Replies } from "./replies.ts";
import type { SessionLimits } from "./session-limits.ts";
import { isPortReset, isSubmitSound, packetsAreSound, urbFlags } from "./submit-rules.ts";
import { TransferCounters } from "./transfer-counters.ts";
import type { SessionTrace } from "./urb-trace.ts";

const BODY = HeaderBasic.size;
const SETUP_AT = BODY + CmdSubmit.size - 8;

/** What the URB phase asks of the connection. */
export interface UrbOutput {
  write(chunks: readonly Uint8Array[], written: () => void): void;
  end(cause: ProtocolError | "unplugged"): void;
}

const NOT_YET = -1;
/** Longer than any bucket tells apart. */
const LONG_US = 1 << 30;

/**
 * The URB phase of one connection: the sink of one device. CMD_SUBMIT becomes an `Urb`, its completion a
 * RET_SUBMIT; CMD_UNLINK cancels. Answers of one batch leave in one write.
 */
export class UrbSession implements UsbHost, CommandTarget {
  readonly counters = new TransferCounters();
  readonly #device: UsbDevice;
  readonly #devid: number;
  readonly #map: EndpointMap;
  readonly #loop: Loop;
  readonly #output: UrbOutput;
  readonly #limits: SessionLimits;
  readonly #trace: SessionTrace | undefined;
  readonly #reader = new CommandReader(this);
  readonly #memory: HeapPool;
  /** Of this session's time: the device may be open again, with other memory, while answers still leave. */
  readonly #deviceMemory: BufferPool | undefined;
  readonly #earlyUnlinks: EarlyUnlinks;
  /** seqnum of the last CMD_SUBMIT. One client counts upwards, through 2^32. */
  #lastSubmit: number | undefined;
  /** By tag. */
  readonly #exchanges: Exchange[] = [];
  /** The first of those that are free. */
  #free: Exchange | undefined;
  readonly #inFlight = new InFlight();
  /** Packet descriptors of a refused submit, which has no memory of its own. */
  readonly #refusedPackets = new Int32Array(MAX_ISO_PACKETS * PACKET_WORDS);
  /** The submit that is being read: a transfer to carry out, or nothing for an answer that is known already. */
  #incoming: Exchange | undefined;
  #incomingSeqnum = 0;
  #incomingEndpoint = 0;
  #incomingPackets = 0;
  /** The answer, where there is no transfer: to the CMD_UNLINK that came first, or how the submit is refused. */
  #incomingUnlink = NOT_UNLINKED;
  #refusal: TransferStatus = TransferStatus.invalid;
  readonly #replies: Replies;
  #flushIsDue = false;
  readonly #sendDue = (): void => {
    this.#flushIsDue = false;
    this.#send();
  };
  readonly #lends: boolean;
  /** URBs in flight whose OUT data stands where it arrived. */
  #lent = 0;
  /** When the bytes came that are being taken in, and when the first answer to them was there. */
  #arrivedMs = 0;
  #answeredMs = NOT_YET;
  /** Bytes are being taken in; what they lead to is sent at the end. */
  #reading = false;
  #over = false;

  constructor(
    device: UsbDevice,
    devid: number,
    map: EndpointMap,
    loop: Loop,
    output: UrbOutput,
    limits: SessionLimits,
    trace?: SessionTrace,
  ) {
    this.#device = device;
    this.#lends = device.takesLentData ?? false;
    this.#deviceMemory = device.memory;
    this.#devid = devid;
    this.#map = map;
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#trace = trace;
    this.#memory = new HeapPool(limits.bytes, () => {
      for (let free = this.#free; free !== undefined; free = free.next) free.forgetMemory();
    });
    this.#replies = new Replies(
      (chunks, written) => output.write(chunks, written),
      (first) => this.#left(first),
    );
    this.#earlyUnlinks = new EarlyUnlinks(loop, (seqnum) => {
      this.#replies.addLoose(encodeRetUnlink(seqnum, false));
      this.#send();
    });
  }

  receive(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#arrivedMs = this.#loop.now();
    this.#reading = true;
    const error = this.#reader.receive(bytes);
    if (!this.#over) this.#device.flush();
    this.#reading = false;
    this.#answeredMs = NOT_YET;
    if (this.#lent > 0) this.#settleLent();
    if (this.#over) return;
    this.#send();
    if (error !== undefined) this.#end(error);
    else if (this.#replies.looseWaiting > this.#limits.looseBytes) {
      this.#end(
        new ProtocolError(
          "PEER_NOT_READING",
          `${this.#replies.looseWaiting} bytes of answers wait, and more requests come`,
        ),
      );
    }
  }

  /** Nothing is read, answered or sent from here on; the device's completions are only counted. */
  stop(): void {
    this.#over = true;
    this.#earlyUnlinks.clear();
  }

  submit(header: Uint8Array, at: number): ProtocolError | undefined {
    const strange = this.#checkDevice(header, at);
    if (strange !== undefined) return strange;
    const seqnum = HeaderBasic.seqnum(header, at);
    if (this.#inFlight.find(seqnum) >= 0) {
      return new ProtocolError("DUPLICATE_SEQNUM", `seqnum ${seqnum} is in flight`);
    }
    this.#incomingSeqnum = seqnum;
    this.#lastSubmit = seqnum;
    this.counters.submitted();
    this.#incomingPackets = CmdSubmit.number_of_packets(header, at + BODY);
    const length = CmdSubmit.transfer_buffer_length(header, at + BODY);
    const packetCount = Math.max(this.#incomingPackets, 0);

    const ep = HeaderBasic.ep(header, at);
    const endpoint = HeaderBasic.direction(header, at) === Direction.IN ? ep | 0x80 : ep;
    this.#incomingEndpoint = endpoint;
    this.#incoming = undefined;
    this.#incomingUnlink = this.#earlyUnlinks.take(seqnum) ?? NOT_UNLINKED;
    if (this.#incomingUnlink !== NOT_UNLINKED) return undefined;
    const type = ep === 0 ? TransferType.control : this.#map.find(endpoint)?.type;
    // The kernel's own server does not answer at all, and loses the payload in the stream.
    if (type === undefined) return this.#refuse(TransferStatus.stall);
    // Before memory is taken: a refusal must cost the host no more than it costs the peer.
    if (!isSubmitSound(type, endpoint, length, packetCount, header[at + SETUP_AT]!)) {
      return this.#refuse(TransferStatus.invalid);
    }
    const exchange = this.#take(endpoint, length, packetCount);
    if (exchange === undefined) return this.#refuse(TransferStatus.noMemory);
    const { urb } = exchange;
    exchange.seqnum = seqnum;
    exchange.arrivedMs = this.#arrivedMs;
    exchange.numberOfPackets = this.#incomingPackets;
    exchange.unlinkSeqnum = NOT_UNLINKED;
    exchange.abandoned = false;

    urb.endpoint = endpoint;
    urb.type = type;
    urb.flags = urbFlags(CmdSubmit.transfer_flags(header, at + BODY));
    urb.interval = CmdSubmit.interval(header, at + BODY);
    urb.startFrame = CmdSubmit.start_frame(header, at + BODY);
    urb.streamId = 0;
    urb.length = length;
    urb.packetCount = packetCount;
    urb.status = TransferStatus.ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    if (type === TransferType.control) {
      for (let i = 0; i < 8; i++) urb.setup[i] = header[at + SETUP_AT + i]!;
    }
    this.#incoming = exchange;
    return undefined;
  }

  payload(bytes: Uint8Array, at: number, length: number, position: number): void {
    const exchange = this.#incoming;
    if (exchange === undefined) return;
    const { urb } = exchange;
    // With packets behind it, the submit may be whole only when these bytes are no longer there.
    const isWhole = length === urb.length && urb.packetCount === 0;
    if (isWhole && this.#lends && urb.type !== TransferType.control) {
      exchange.lend(bytes, at);
      this.#lent++;
    } else {
      exchange.fill(bytes, at, length, position);
    }
  }

  packet(index: number, bytes: Uint8Array, at: number): void {
    const packets = this.#incoming?.urb.packets ?? this.#refusedPackets;
    const word = index * PACKET_WORDS;
    packets[word + PacketWord.offset] = IsoPacket.offset(bytes, at);
    packets[word + PacketWord.length] = IsoPacket.length(bytes, at);
    packets[word + PacketWord.actualLength] = 0;
    packets[word + PacketWord.status] = TransferStatus.notDone;
  }

  submitted(): void {
    if (this.#incoming !== undefined) this.#start(this.#incoming);
    else if (this.#incomingUnlink === NOT_UNLINKED) this.#answerRefused();
    else this.#answerUnlinked();
  }

  #start(exchange: Exchange): void {
    const { urb } = exchange;
    if (!packetsAreSound(urb)) {
      urb.status = TransferStatus.invalid;
      urb.startFrame = 0;
      this.#replies.add(exchange.encodeReply(false), exchange);
      this.#count(exchange);
      return;
    }
    this.#inFlight.add(exchange.seqnum, urb.tag);
    if (isPortReset(urb)) this.#resetDevice(exchange);
    else this.#device.submit(urb);
  }

  unlink(header: Uint8Array, at: number): ProtocolError | undefined {
    const strange = this.#checkDevice(header, at);
    if (strange !== undefined) return strange;
    const seqnum = HeaderBasic.seqnum(header, at);
    const submitSeqnum = CmdUnlink.seqnum(header, at + BODY);
    const exchange = this.#exchanges[this.#inFlight.find(submitSeqnum)];
    if (
      exchange === undefined &&
      this.#isAhead(submitSeqnum) &&
      this.#earlyUnlinks.keep(seqnum, submitSeqnum)
    ) {
      return undefined;
    }
    if (exchange === undefined || exchange.unlinkSeqnum !== NOT_UNLINKED) {
      // It has its RET_SUBMIT already, in the stream before this answer; or it never was.
      this.#replies.addLoose(encodeRetUnlink(seqnum, false));
    } else if (isPortReset(exchange.urb)) {
      // A reset cannot be called back and may take seconds, but nobody has to wait for it.
      this.#inFlight.remove(exchange.seqnum);
      exchange.abandoned = true;
      this.#replies.addLoose(encodeRetUnlink(seqnum, true));
    } else {
      exchange.unlinkSeqnum = seqnum;
      this.#device.cancel(exchange.urb);
    }
    return undefined;
  }

  complete(urb: Urb): void {
    const exchange = this.#exchanges[urb.tag]!;
    const { seqnum, unlinkSeqnum } = exchange;
    if (exchange.isLent) {
      exchange.takeBack();
      this.#lent--;
    }
    // Another request may have the seqnum of an abandoned one by now.
    if (!exchange.abandoned) this.#inFlight.remove(seqnum);
    if (urb.type === TransferType.control && urb.status === TransferStatus.ok) this.#map.completed(urb.setup);
    if (this.#over || exchange.abandoned) {
      this.#count(exchange);
      this.#release(exchange);
      return;
    }
    if (unlinkSeqnum !== NOT_UNLINKED && urb.status === TransferStatus.cancelled) {
      this.#count(exchange);
      this.#release(exchange);
      this.#replies.addLoose(encodeRetUnlink(unlinkSeqnum, true));
    } else {
      this.#replies.add(exchange.encodeReply(isIn(urb.endpoint)), exchange);
      this.#count(exchange);
      // Finished before the cancel took effect: its own answer goes first, or the client drops the link.
      if (unlinkSeqnum !== NOT_UNLINKED) this.#replies.addLoose(encodeRetUnlink(unlinkSeqnum, false));
    }
    this.#sendSoon();
  }

  unplugged(): void {
    if (this.#over) return;
    this.#send();
    this.#end("unplugged");
  }

  #checkDevice(header: Uint8Array, at: number): ProtocolError | undefined {
    const devid = HeaderBasic.devid(header, at);
    if (devid === this.#devid) return undefined;
    return new ProtocolError("BAD_DEVICE", `devid is ${hex(devid)}, but ${hex(this.#devid)} was imported`);
  }

  /** Nobody has sent this seqnum yet, as far as one can tell from the order of numbers. */
  #isAhead(seqnum: number): boolean {
    return this.#lastSubmit === undefined || ((seqnum - this.#lastSubmit) | 0) > 0;
  }

  #take(endpoint: number, length: number, packetCount: number): Exchange | undefined {
    const exchange = this.#free ?? this.#grow();
    if (exchange === undefined) return undefined;
    const bytes = Exchange.bytesFor(length, packetCount);
    // OUT data is copied once in any case: into memory of the device, or from where it arrived.
    const own = isIn(endpoint) ? this.#deviceMemory?.take(bytes) : undefined;
    const memory = own ?? this.#memory.take(bytes);
    if (memory === undefined) return undefined;
    this.#free = exchange.next;
    exchange.memory = memory;
    exchange.isOfDevice = own !== undefined;
    const words = packetCount * PACKET_WORDS;
    if (exchange.urb.packets.length < words) exchange.urb.packets = new Int32Array(words);
    return exchange;
  }

  #grow(): Exchange | undefined {
    if (this.#exchanges.length >= this.#limits.urbs) return undefined;
    const exchange = new Exchange(this.#exchanges.length);
    this.#exchanges.push(exchange);
    this.#free = exchange;
    return exchange;
  }

  #release(exchange: Exchange): void {
    if (exchange.isOfDevice) this.#deviceMemory!.give(exchange.memory);
    else this.#memory.give(exchange.memory);
    exchange.forgetLargeTable();
    exchange.next = this.#free;
    this.#free = exchange;
  }

  /** The submit that is being read will be answered with `status`; what belongs to it is read and dropped. */
  #refuse(status: TransferStatus): undefined {
    this.#refusal = status;
  }

  #answerUnlinked(): void {
    this.counters.ended(this.#incomingEndpoint, TransferStatus.cancelled, 0, 0);
    this.#replies.addLoose(encodeRetUnlink(this.#incomingUnlink, true));
  }

  #answerRefused(): void {
    this.counters.ended(this.#incomingEndpoint, this.#refusal, 0, 0);
    const count = Math.max(this.#incomingPackets, 0);
    const bytes = new Uint8Array(HEADER_SIZE + count * IsoPacket.size);
    blankRetSubmit(bytes);
    encodeRetSubmit(bytes, this.#incomingSeqnum, this.#refusal, 0, 0, this.#incomingPackets, 0);
    encodePackets(this.#refusedPackets, count, bytes, HEADER_SIZE);
    this.#replies.addLoose(bytes);
  }

  #resetDevice(exchange: Exchange): void {
    this.#device.reset((status) => {
      this.#map.configure(this.#device.configuration);
      exchange.urb.status = status;
      exchange.urb.actualLength = 0;
      this.complete(exchange.urb);
    });
  }

  /** One look at the clock serves all that one batch of requests leads to, unless somebody looks for lost time. */
  #count(exchange: Exchange): void {
    const { urb, arrivedMs } = exchange;
    let nowMs = this.#answeredMs;
    if (nowMs === NOT_YET || this.#trace !== undefined) {
      nowMs = this.#loop.now();
      if (this.#reading) this.#answeredMs = nowMs;
    }
    exchange.completedMs = nowMs;
    const moved = Math.min(Math.max(urb.actualLength, 0), urb.length);
    const tookUs = Math.min(Math.max(1_000 * (nowMs - arrivedMs), 0), LONG_US) | 0;
    this.counters.ended(urb.endpoint, urb.status, moved, tookUs);
  }

  /** The bytes that came in are valid during `receive` only. */
  #settleLent(): void {
    for (const exchange of this.#exchanges) if (exchange.isLent) exchange.settle();
    this.#lent = 0;
  }

  #sendSoon(): void {
    // What completes while bytes are being read is sent when they have been read.
    if (this.#flushIsDue || this.#reading) return;
    this.#flushIsDue = true;
    this.#loop.soon(this.#sendDue);
  }

  #send(): void {
    if (!this.#over) this.#replies.send();
  }

  /** The link has taken the answers of these exchanges. */
  #left(first: Exchange | undefined): void {
    if (this.#trace !== undefined) this.#traceLives(first, this.#trace);
    for (let exchange = first; exchange !== undefined; ) {
      const { next } = exchange;
      this.#release(exchange);
      exchange = next;
    }
  }

  #traceLives(first: Exchange | undefined, { urbs, session }: SessionTrace): void {
    const leftMs = this.#loop.now();
    for (let exchange = first; exchange !== undefined; exchange = exchange.next) {
      urbs.add(session, exchange, leftMs);
    }
  }

  #end(cause: ProtocolError | "unplugged"): void {
    this.stop();
    this.#output.end(cause);
  }
}

function hex(devid: number): string {
  return `0x${devid.toString(16).padStart(8, "0")}`;
}
