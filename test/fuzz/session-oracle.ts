import { PACKET_WORDS, PacketWord, TransferType } from "../../src/usb/urb.ts";
import {
  expectedReply,
  REFUSED_INVALID,
  REFUSED_NO_MEMORY,
  REFUSED_STALL,
  type Request,
} from "./expected-reply.ts";
import { HandshakeOracle, type HandshakeRules } from "./handshake-oracle.ts";
import { joined } from "./mutation.ts";
import type { ScriptedDevice, Submitted } from "./scripted-device.ts";
import { requireSame, requireSameBytes } from "./target.ts";
import { type Found, UnlinkOracle } from "./unlink-oracle.ts";
import { AT, faultsOf, HEADER, PACKET, partsOf, word } from "./usbip-message.ts";

/** A packet takes room in the reply, and in the table that the device fills. */
const PACKET_MEMORY = 2 * PACKET;

export interface SessionRules extends HandshakeRules {
  readonly urbs: number;
  readonly bytes: number;
}

/**
 * A client that knows what a server owes it: fed what was sent, and then what came back, it holds each answer
 * against the request and against what the device did.
 */
export class SessionOracle {
  readonly #device: ScriptedDevice;
  readonly #rules: SessionRules;
  readonly #handshake: HandshakeOracle;
  #sent: Uint8Array = new Uint8Array(0);
  #received: Uint8Array = new Uint8Array(0);
  /** A CMD_SUBMIT whose header is there and whose parts are not yet. */
  #incoming: Request | undefined;
  readonly #outstanding = new Map<number, Request>();
  /** To be answered without the device. Their seqnums are free at once. */
  readonly #refused: Request[] = [];
  readonly #unlinks: UnlinkOracle;
  /** Requests with memory of the session. */
  readonly #holders = new Set<Request>();
  /** Submits of this feed, to be found in the device's log. */
  #fresh: Request[] = [];
  #logged = 0;
  #resets = 0;
  #lastDelivered = -1;
  /** Codes of which one must end the session; none while nothing is wrong. */
  faults: readonly string[] = [];

  constructor(device: ScriptedDevice, rules: SessionRules, now: () => number) {
    this.#unlinks = new UnlinkOracle(now);
    this.#device = device;
    this.#rules = rules;
    this.#handshake = new HandshakeOracle(rules);
  }

  /** What is still owed, for a person. */
  get unanswered(): string {
    const submits = [...this.#refused, ...this.#outstanding.values()].map(({ seqnum }) => `submit ${seqnum}`);
    const unlinks = this.#unlinks.owed.map((seqnum) => `unlink ${seqnum}`);
    const requests = this.#handshake.unanswered === 0 ? [] : ["a request of the handshake"];
    return [...submits, ...unlinks, ...requests].join(", ");
  }

  /** The last message is not whole. */
  get isInsideMessage(): boolean {
    return this.#sent.length > 0;
  }

  /** Bytes that the server gets next, before it gets them. */
  send(bytes: Uint8Array): void {
    if (this.faults.length > 0) return;
    this.#sent = this.#sent.length === 0 ? bytes : joined([this.#sent, bytes]);
    while (this.faults.length === 0 && this.#readOne());
  }

  /** The server has had its bytes: everything that must have reached the device has. */
  taken(): void {
    if (this.#device.isOpening) return;
    for (const request of this.#fresh) {
      if (this.#hasReachedDevice(request)) continue;
      requireSame(
        this.#mayRefuse(request),
        true,
        `seqnum ${request.seqnum} not on the device as it was sent; want of memory`,
      );
      this.#outstanding.delete(request.seqnum);
      this.#holders.delete(request);
      this.#refuse(request, REFUSED_NO_MEMORY);
    }
    requireSame(this.#device.log.length, this.#logged, "transfers that reached the device");
    requireSame(this.#device.resetsAsked, this.#resets, "resets that reached the device");
    this.#fresh = [];
  }

  #hasReachedDevice(request: Request): boolean {
    if (request.isReset) {
      if (this.#device.resetsAsked === this.#resets) return false;
      this.#resets++;
      return true;
    }
    const entry = this.#device.log[this.#logged];
    if (entry === undefined || !isSame(request, entry)) return false;
    request.entry = entry;
    this.#logged++;
    return true;
  }

  #refuse(request: Request, status: number): void {
    request.refusal = status;
    this.#refused.push(request);
  }

  /** Bytes from the server; gives the requests whose memory is free once the bytes have left. */
  receive(bytes: Uint8Array): Request[] {
    const answered: Request[] = [];
    this.#received = joined([this.#received, bytes]);
    this.#received = this.#handshake.receive(this.#received);
    while (this.#received.length > 0 && this.#handshake.unanswered === 0) {
      requireSame(this.#received.length >= HEADER, true, "a whole header in one write");
      const size = word(this.#received, 0) === 3 ? this.#submitted(answered) : this.#unlinked();
      this.#received = this.#received.subarray(size);
    }
    return answered;
  }

  left(answered: readonly Request[]): void {
    for (const request of answered) this.#holders.delete(request);
  }

  #readOne(): boolean {
    if (!this.#handshake.imported) {
      const size = this.#handshake.send(this.#sent);
      this.faults = this.#handshake.faults;
      if (size === undefined || this.faults.length > 0) return false;
      this.#sent = this.#sent.subarray(size);
      return true;
    }
    if (this.#sent.length < HEADER) return false;
    if (this.#incoming === undefined) {
      this.faults = this.#headerFaults();
      if (this.faults.length > 0) return false;
      if (word(this.#sent, 0) === 2) {
        this.#expectUnlink();
        this.#sent = this.#sent.subarray(HEADER);
        return true;
      }
      this.#incoming = this.#begin(this.#sent.slice(0, HEADER));
    }
    const { payload, packets } = partsOf(this.#sent, 0);
    const size = HEADER + payload + packets * PACKET;
    if (this.#sent.length < size) return false;
    this.#finish(this.#incoming, this.#sent.subarray(HEADER, size), payload);
    this.#incoming = undefined;
    this.#sent = this.#sent.subarray(size);
    return true;
  }

  #headerFaults(): readonly string[] {
    const faults = faultsOf(this.#sent, 0);
    const isSubmit = word(this.#sent, AT.command) === 1;
    if (isSubmit && this.#outstanding.has(word(this.#sent, AT.seqnum))) faults.push("DUPLICATE_SEQNUM");
    return faults;
  }

  #begin(header: Uint8Array): Request {
    const ep = word(header, AT.ep);
    const isIn = word(header, AT.direction) === 1;
    const endpoint = isIn ? ep | 0x80 : ep;
    const type = ep === 0 ? TransferType.control : this.#device.typeOf(endpoint);
    const length = word(header, AT.length);
    const setup = header.subarray(AT.setup, AT.setup + 8);
    const isControl = type === TransferType.control;
    const request: Request = {
      header,
      seqnum: word(header, AT.seqnum),
      endpoint,
      type,
      length,
      isReset: isControl && setup[0] === 0x23 && setup[1] === 3 && setup[2] === 4 && setup[3] === 0,
      payload: new Uint8Array(0),
      packets: [],
      refusal: undefined,
      entry: undefined,
      unlinked: false,
      isPrevented: this.#unlinks.begins(word(header, AT.seqnum)),
    };
    if (request.isPrevented) return request;
    if (type === undefined) request.refusal = REFUSED_STALL;
    else if (type !== TransferType.isochronous && partsOf(header, 0).packets > 0)
      request.refusal = REFUSED_INVALID;
    else if (isControl && length > 0 && isIn !== setup[0]! >= 0x80) request.refusal = REFUSED_INVALID;
    else this.#holders.add(request);
    return request;
  }

  #finish(request: Request, parts: Uint8Array, payload: number): void {
    request.payload = parts.slice(0, payload);
    let end = 0;
    let isSound = true;
    for (let at = payload; at < parts.length; at += PACKET) {
      const offset = word(parts, at);
      const length = word(parts, at + 4);
      request.packets.push({ offset, length });
      isSound &&= offset >= end && offset + length <= request.length;
      end = offset + length;
    }
    if (request.isPrevented) this.#unlinks.prevented();
    else if (request.refusal !== undefined) this.#refuse(request, request.refusal);
    else if (!isSound) this.#refuse(request, REFUSED_INVALID);
    else {
      this.#outstanding.set(request.seqnum, request);
      this.#fresh.push(request);
    }
  }

  #expectUnlink(): void {
    const seqnum = word(this.#sent, AT.seqnum);
    const unlinked = word(this.#sent, AT.unlinked);
    const request = this.#outstanding.get(unlinked);
    if (request === undefined || request.unlinked) {
      this.#unlinks.expect(seqnum, unlinked, this.#answeredAnyway(unlinked));
      return;
    }
    request.unlinked = true;
    this.#unlinks.expect(seqnum, unlinked, { kind: "in flight", request });
    // A reset cannot be called back, but the client need not wait for it.
    if (request.isReset) this.#outstanding.delete(request.seqnum);
  }

  #answeredAnyway(unlinked: number): Found {
    if (this.#outstanding.has(unlinked)) return { kind: "again" };
    const refused = this.#refused.find((other) => other.seqnum === unlinked);
    return refused === undefined ? { kind: "nothing" } : { kind: "refused", request: refused };
  }

  /** Whether what is in use explains that there is no more. Buffers may be rounded up to twice their size. */
  #mayRefuse(request: Request): boolean {
    let bytes = 2 * (HEADER + request.length + request.packets.length * PACKET_MEMORY) + 128;
    let count = 1;
    for (const holder of this.#holders) {
      if (holder === request) continue;
      bytes += 2 * (HEADER + holder.length + holder.packets.length * PACKET_MEMORY) + 128;
      count++;
    }
    return count > this.#rules.urbs || bytes > this.#rules.bytes;
  }

  #submitted(answered: Request[]): number {
    const bytes = this.#received;
    const seqnum = word(bytes, AT.seqnum);
    const refused = this.#refused.findIndex((other) => other.seqnum === seqnum);
    const request = refused < 0 ? this.#outstanding.get(seqnum) : this.#refused.splice(refused, 1)[0];
    if (request === undefined) throw new Error(`RET_SUBMIT for seqnum ${seqnum}, which nobody waits for`);
    // Whichever of two reasons to refuse is seen first.
    const isFull = (word(bytes, 20) | 0) === REFUSED_NO_MEMORY;
    if (isFull && refused >= 0 && this.#mayRefuse(request)) {
      request.refusal = REFUSED_NO_MEMORY;
      this.#holders.delete(request);
    }
    const expected = expectedReply(request);
    requireSameBytes(bytes.subarray(0, expected.length), expected, `RET_SUBMIT ${seqnum}`);
    if (refused < 0) this.#outstanding.delete(seqnum);
    if (request.entry !== undefined) {
      const { delivered } = request.entry;
      if (delivered === undefined) throw new Error(`RET_SUBMIT ${seqnum} before the device completed it`);
      requireSame(delivered > this.#lastDelivered, true, `order of RET_SUBMIT ${seqnum}`);
      this.#lastDelivered = delivered;
    }
    answered.push(request);
    return expected.length;
  }

  #unlinked(): number {
    const bytes = this.#received;
    requireSame(word(bytes, AT.command), 4, "command of a reply");
    const seqnum = word(bytes, AT.seqnum);
    const status = word(bytes, 20) | 0;
    requireSame(status === 0 || status === -104, true, "RET_UNLINK with status 0 or -104");
    const zeros = [...bytes.subarray(8, 20), ...bytes.subarray(24, HEADER)].every((byte) => byte === 0);
    requireSame(zeros, true, "zeros in RET_UNLINK");
    const ended = this.#unlinks.answered(seqnum, status, (request) => this.#isOwed(request));
    if (ended !== undefined && !ended.isReset) {
      this.#outstanding.delete(ended.seqnum);
      this.#holders.delete(ended);
    }
    return HEADER;
  }

  #isOwed(request: Request): boolean {
    return this.#outstanding.get(request.seqnum) === request || this.#refused.includes(request);
  }
}

/** The device got what the client sent. */
function isSame(request: Request, entry: Submitted): boolean {
  const { header } = request;
  const wire = word(header, AT.flags);
  const flags = (wire & 1) | (wire & 2) | ((wire & 0x40) >> 4);
  return (
    entry.endpoint === request.endpoint &&
    entry.type === request.type &&
    entry.flags === flags &&
    entry.length === request.length &&
    entry.interval === (word(header, AT.interval) | 0) &&
    entry.startFrame === (word(header, AT.startFrame) | 0) &&
    (entry.type !== TransferType.control ||
      Buffer.compare(entry.setup, header.subarray(AT.setup, AT.setup + 8)) === 0) &&
    Buffer.compare(entry.payload, request.payload) === 0 &&
    entry.packets.length === request.packets.length * PACKET_WORDS &&
    request.packets.every(
      ({ offset, length }, i) =>
        entry.packets[i * PACKET_WORDS + PacketWord.offset] === offset &&
        entry.packets[i * PACKET_WORDS + PacketWord.length] === length,
    )
  );
}
