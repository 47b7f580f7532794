import type { UsbDevice, UsbHost } from "../usb/device.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { InFlight } from "../usb/in-flight.ts";
import type { Loop } from "../usb/loop.ts";
import { TransferCounters } from "../usb/transfer-counters.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound } from "../usb/urb-soundness.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { encodeAliveAnswer, hasAliveMark } from "./alive-mark.ts";
import { BatchCounters } from "./batch-counters.ts";
import { CommandReader, type CommandTarget } from "./command-reader.ts";
import { EarlyUnlinks } from "./early-unlinks.ts";
import { Exchange, encodeRetUnlink, NOT_UNLINKED } from "./exchange.ts";
import { CmdSubmit, CmdUnlink, HEADER_SIZE, HeaderBasic } from "./pdu.ts";
import { RefusedSubmit, readPacket } from "./refused-submit.ts";
import { Replies } from "./replies.ts";
import type { SessionLimits } from "./session-limits.ts";
import { SILENCE_PART_MS, Silence } from "./silence.ts";
import { isPortReset, urbFlags } from "./submit-rules.ts";
import { TransferMemory } from "./transfer-memory.ts";

const BODY = HeaderBasic.size;
const SETUP_AT = BODY + CmdSubmit.size - 8;
// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const basic = HeaderBasic.read;
const request = CmdSubmit.read;
const { ok, stall, cancelled, invalid, noMemory } = TransferStatus;
const { control } = TransferType;
const { mayLend } = UrbFlag;
const HEADER = HEADER_SIZE;
const notUnlinked = NOT_UNLINKED;
const isSound = isSubmitSound;
const flagsOf = urbFlags;
const isIncoming = isIn;

/** What the URB phase asks of the connection. */
export interface UrbOutput {
  write(chunks: readonly Uint8Array[], written: () => void): void;
  end(cause: ProtocolError | "unplugged"): void;
}

/** A client that asks whether we are there does so after two parts at most. */
const DEAD_PARTS = 4;

/** Less is copied sooner than it is sent from another place than its header. */
const LENT_MIN = 8 << 10;

/**
 * The URB phase of one connection: the sink of one device. CMD_SUBMIT becomes an `Urb`, its completion a
 * RET_SUBMIT; CMD_UNLINK cancels. Answers of one batch leave in one write.
 */
export class UrbSession implements UsbHost, CommandTarget {
  readonly counters: TransferCounters;
  readonly #batch: BatchCounters;
  readonly #device: UsbDevice;
  readonly #devid: number;
  readonly #map: EndpointMap;
  readonly #loop: Loop;
  readonly #output: UrbOutput;
  readonly #limits: SessionLimits;
  readonly #trace: SessionTrace | undefined;
  readonly #reader = new CommandReader(this);
  readonly #memory: TransferMemory;
  readonly #earlyUnlinks: EarlyUnlinks;
  /** seqnum of the last CMD_SUBMIT. One client counts upwards, through 2^32. */
  #lastSubmit: number | undefined;
  /** By tag. */
  readonly #exchanges: Exchange[] = [];
  /** The first of those that are free. */
  #free: Exchange | undefined;
  readonly #inFlight = new InFlight();
  /** The submit that is being read: a transfer to carry out, or nothing for one that is refused. */
  #incoming: Exchange | undefined;
  readonly #refused = new RefusedSubmit();
  readonly #replies: Replies;
  #flushIsDue = false;
  readonly #sendDue = (): void => {
    this.#flushIsDue = false;
    this.#send();
  };
  /** Of a client that asks whether we are there: it has a link that does not notice. */
  #silence: Silence | undefined;
  readonly #lends: boolean;
  /** URBs in flight whose OUT data stands where it arrived. */
  #lent = 0;
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
    this.#devid = devid;
    this.#map = map;
    this.counters = TransferCounters.of(map.addresses());
    this.#batch = new BatchCounters(this.counters, loop, trace !== undefined);
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#trace = trace;
    this.#memory = new TransferMemory(limits.bytes, device.memory, () => {
      for (let free = this.#free; free !== undefined; free = free.next) free.forgetMemory();
      this.#replies.forgetMemory();
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
    this.#silence?.heard();
    this.#batch.begin();
    this.#reading = true;
    const error = this.#reader.receive(bytes);
    if (!this.#over) this.#device.flush();
    this.#reading = false;
    this.#batch.end();
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
    this.#silence?.stop();
    this.#earlyUnlinks.clear();
  }

  submit(
    header: DataView,
    at: number,
    endpoint: number,
    length: number,
    numberOfPackets: number,
  ): ProtocolError | undefined {
    const strange = this.#checkDevice(header, at);
    if (strange !== undefined) return strange;
    const seqnum = basic.seqnum(header, at);
    const place = this.#inFlight.vacancy(seqnum);
    if (place < 0) {
      return new ProtocolError("DUPLICATE_SEQNUM", `seqnum ${seqnum} is in flight`);
    }
    // A whole number of 32 bits is no object, whatever its value.
    this.#lastSubmit = seqnum | 0;
    this.#batch.submitted();
    const unlinkSeqnum = this.#earlyUnlinks.take(seqnum) ?? notUnlinked;
    this.#incoming = undefined;
    const status =
      unlinkSeqnum === notUnlinked
        ? this.#begin(header, at, seqnum, endpoint, length, numberOfPackets, place)
        : cancelled;
    if (status !== ok) this.#refused.begin(seqnum, endpoint, numberOfPackets, status, unlinkSeqnum);
    return undefined;
  }

  /** Makes the transfer that a CMD_SUBMIT asks for, or says why there is none. */
  #begin(
    header: DataView,
    at: number,
    seqnum: number,
    endpoint: number,
    length: number,
    numberOfPackets: number,
    place: number,
  ): TransferStatus {
    const type = (endpoint & 15) === 0 ? control : this.#map.find(endpoint)?.type;
    // The kernel's own server does not answer at all, and loses the payload in the stream.
    if (type === undefined) return stall;
    const packetCount = numberOfPackets > 0 ? numberOfPackets : 0;
    // Before memory is taken: a refusal must cost the host no more than it costs the peer.
    if (!isSound(type, endpoint, length, packetCount, header.getUint8(at + SETUP_AT))) return invalid;
    const exchange = this.#free ?? this.#grow();
    if (exchange === undefined) return noMemory;
    const { urb } = exchange;
    urb.endpoint = endpoint;
    urb.type = type;
    urb.length = length;
    urb.packetCount = packetCount;
    if (!this.#takeMemory(exchange)) return noMemory;
    this.#free = exchange.next;
    exchange.seqnum = seqnum;
    exchange.arrivedMs = this.#batch.arrivedMs;
    exchange.numberOfPackets = numberOfPackets;
    exchange.unlinkSeqnum = notUnlinked;
    exchange.abandoned = false;

    const flags = flagsOf(request.transfer_flags(header, at + BODY));
    const lends = length >= LENT_MIN && packetCount === 0 && isIncoming(endpoint);
    urb.flags = lends ? flags | mayLend : flags;
    urb.interval = request.interval(header, at + BODY);
    urb.startFrame = request.start_frame(header, at + BODY);
    urb.streamId = 0;
    urb.status = ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    if (type === control) {
      for (let i = 0; i < 8; i++) urb.setup[i] = header.getUint8(at + SETUP_AT + i);
    }
    this.#inFlight.put(place, seqnum, urb.tag);
    this.#incoming = exchange;
    return ok;
  }

  payload(bytes: Uint8Array, at: number, length: number, position: number): void {
    const exchange = this.#incoming;
    if (exchange === undefined) return;
    const { urb } = exchange;
    if (exchange.reserved > 0 && length === urb.length) {
      exchange.lend(bytes, at);
      this.#lent++;
      return;
    }
    if (exchange.reserved > 0) this.#memory.takeReserved(exchange);
    exchange.fill(bytes, at, length, position);
  }

  packet(index: number, descriptor: DataView, at: number): void {
    if (this.#incoming === undefined) this.#refused.packet(index, descriptor, at);
    else readPacket(this.#incoming.urb.packets, index, descriptor, at);
  }

  submitted(): void {
    if (this.#incoming === undefined) this.#answerRefused();
    else this.#start(this.#incoming);
  }

  #answerRefused(): void {
    this.#batch.refused(this.#refused.endpoint, this.#refused.status);
    this.#replies.addLoose(this.#refused.encodeAnswer());
  }

  #start(exchange: Exchange): void {
    const { urb } = exchange;
    // Not before: a submit that comes in pieces would keep a page.
    if (exchange.size === 0 && !this.#memory.takeHeader(exchange)) {
      this.#giveUp(exchange);
      return;
    }
    if (urb.packetCount > 0 && !packetsAreSound(urb)) {
      this.#inFlight.remove(exchange.seqnum);
      urb.status = invalid;
      urb.startFrame = 0;
      exchange.writeReply(false);
      this.#replies.add(exchange);
      this.#batch.completed(exchange);
      return;
    }
    if (isPortReset(urb)) this.#resetDevice(exchange);
    else this.#device.submit(urb);
  }

  /** There is no memory for the answer of a transfer that has not begun. */
  #giveUp(exchange: Exchange): void {
    const { seqnum, numberOfPackets, urb } = exchange;
    this.#inFlight.remove(seqnum);
    if (exchange.isLent) this.#takeBack(exchange);
    this.#release(exchange);
    this.#refused.begin(seqnum, urb.endpoint, numberOfPackets, noMemory, notUnlinked);
    this.#answerRefused();
  }

  unlink(header: DataView, at: number): ProtocolError | undefined {
    const strange = this.#checkDevice(header, at);
    if (strange !== undefined) return strange;
    const seqnum = basic.seqnum(header, at);
    const submitSeqnum = CmdUnlink.read.seqnum(header, at + BODY);
    if (submitSeqnum === 0 && hasAliveMark(header, at)) {
      this.#replies.addLoose(encodeAliveAnswer(seqnum));
      this.#listen();
      return undefined;
    }
    const exchange = this.#exchanges[this.#inFlight.find(submitSeqnum)];
    if (
      exchange === undefined &&
      this.#isAhead(submitSeqnum) &&
      this.#earlyUnlinks.keep(seqnum, submitSeqnum)
    ) {
      return undefined;
    }
    if (exchange === undefined || exchange.unlinkSeqnum !== notUnlinked) {
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

  #listen(): void {
    if (this.#silence !== undefined) return;
    this.#silence = new Silence(this.#loop, (silentParts) => {
      if (silentParts < DEAD_PARTS) return;
      const seconds = (DEAD_PARTS * SILENCE_PART_MS) / 1_000;
      this.#end(new ProtocolError("PEER_SILENT", `nothing came for ${seconds} s`));
    });
    this.#silence.start();
  }

  complete(urb: Urb): void {
    const exchange = this.#exchanges[urb.tag]!;
    const { seqnum, unlinkSeqnum } = exchange;
    if (exchange.isLent) this.#takeBack(exchange);
    // Another request may have the seqnum of an abandoned one by now.
    if (!exchange.abandoned) this.#inFlight.remove(seqnum);
    if (urb.type === control && urb.status === ok) this.#map.completed(urb.setup);
    if (this.#over || exchange.abandoned) {
      this.#batch.completed(exchange);
      this.#release(exchange);
      return;
    }
    if (unlinkSeqnum !== notUnlinked && urb.status === cancelled) {
      this.#batch.completed(exchange);
      this.#release(exchange);
      this.#replies.addLoose(encodeRetUnlink(unlinkSeqnum, true));
    } else {
      exchange.writeReply(isIncoming(urb.endpoint));
      this.#replies.add(exchange);
      this.#batch.completed(exchange);
      // Finished before the cancel took effect: its own answer goes first, or the client drops the link.
      if (unlinkSeqnum !== notUnlinked) this.#replies.addLoose(encodeRetUnlink(unlinkSeqnum, false));
    }
    this.#sendSoon();
  }

  unplugged(): void {
    if (this.#over) return;
    this.#send();
    this.#end("unplugged");
  }

  #checkDevice(header: DataView, at: number): ProtocolError | undefined {
    const devid = basic.devid(header, at);
    if (devid === this.#devid) return undefined;
    return new ProtocolError("BAD_DEVICE", `devid is ${hex(devid)}, but ${hex(this.#devid)} was imported`);
  }

  /** Nobody has sent this seqnum yet, as far as one can tell from the order of numbers. */
  #isAhead(seqnum: number): boolean {
    return this.#lastSubmit === undefined || ((seqnum - this.#lastSubmit) | 0) > 0;
  }

  #takeMemory(exchange: Exchange): boolean {
    const { endpoint, type, length, packetCount } = exchange.urb;
    const incoming = isIncoming(endpoint);
    // With packets behind it, a submit may be whole only when its data is no longer where it arrived.
    const borrows = this.#lends && !incoming && length > 0 && type !== control;
    if (borrows && packetCount === 0) return this.#memory.reserve(exchange, length);
    const bytes = packetCount === 0 ? HEADER + length : Exchange.bytesFor(length, packetCount);
    // OUT data is copied once in any case: into memory of the device, or from where it arrived.
    const isThere = incoming && this.#memory.takeOfDevice(exchange, bytes);
    if (!isThere && !this.#memory.take(exchange, bytes)) return false;
    if (packetCount > 0) exchange.makeTable(packetCount);
    return true;
  }

  #grow(): Exchange | undefined {
    if (this.#exchanges.length >= this.#limits.urbs) return undefined;
    const exchange = new Exchange(this.#exchanges.length);
    this.#exchanges.push(exchange);
    this.#free = exchange;
    return exchange;
  }

  #release(exchange: Exchange): void {
    this.#memory.give(exchange);
    if (exchange.urb.packetCount > 0) exchange.forgetLargeTable();
    exchange.next = this.#free;
    this.#free = exchange;
  }

  #resetDevice(exchange: Exchange): void {
    this.#device.reset((status) => {
      this.#map.configure(this.#device.configuration);
      exchange.urb.status = status;
      exchange.urb.actualLength = 0;
      this.complete(exchange.urb);
    });
  }

  #takeBack(exchange: Exchange): void {
    exchange.takeBack();
    this.#lent--;
  }

  /** The bytes that came in are valid during `receive` only. */
  #settleLent(): void {
    for (const exchange of this.#exchanges) {
      if (!exchange.isLent) continue;
      const { buffer, offset, length } = exchange.urb;
      exchange.takeBack();
      this.#memory.takeReserved(exchange);
      exchange.fill(buffer, offset, length, 0);
    }
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
