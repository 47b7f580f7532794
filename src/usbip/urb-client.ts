import { statusOf } from "../usb/errno.ts";
import { HeapPool } from "../usb/heap-pool.ts";
import type { Loop } from "../usb/loop.ts";
import { PACKET_WORDS, PacketWord, TransferStatus, type Urb } from "../usb/urb.ts";
import { isSubmitSound, packetsAreSound, spreadPackets } from "../usb/urb-soundness.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { encodeAliveQuestion, hasAliveMark } from "./alive-mark.ts";
import { AliveQuestions } from "./alive-questions.ts";
import {
  Command,
  HeaderBasic,
  IsoPacket,
  MAX_ISO_PACKETS,
  MAX_TRANSFER_LENGTH,
  RetSubmit,
  RetUnlink,
} from "./pdu.ts";
import { ReplyReader, type ReplyTarget } from "./reply-reader.ts";
import type { SessionLimits } from "./session-limits.ts";
import { encodeSubmit, encodeUnlink, type Submission, submissionOf, submitSize } from "./submission.ts";
import { Unlinks } from "./unlinks.ts";

const BODY = HeaderBasic.size;

/** What the client asks of its connection and tells its owner. */
export interface UrbClientOutput {
  /** The chunks belong to the client again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The URB is over. Never called inside `submit` or `cancel`. */
  completed(urb: Urb): void;
  /** The server's stream cannot be trusted any more. `disconnected` is to follow. */
  failed(error: ProtocolError): void;
  /** A request is to be sent that does no harm and gets an answer. */
  nudge(): void;
}

/**
 * The URB phase from the client's side, and the guard behind it: nothing of a reply reaches a URB before it was
 * measured against the request. A Linux client that is shown a wrong reply ends the link at best.
 */
export class UrbClient implements ReplyTarget {
  readonly #devid: number;
  readonly #output: UrbClientOutput;
  readonly #loop: Loop;
  readonly #limits: SessionLimits;
  readonly #reader = new ReplyReader(this);
  /** Requests on their way out stand here: the URB may be over before the link has taken them. */
  readonly #memory: HeapPool;
  readonly #unlinks: Unlinks;
  readonly #bySeqnum = new Map<number, Submission>();
  readonly #byUrb = new Map<Urb, Submission>();
  #lastSeqnum = 0;
  #chunks: Uint8Array[] = [];
  #pooled: Uint8Array[] = [];
  /** Over without the server, to be told outside of `submit`. */
  #finished: Urb[] = [];
  #finishIsDue = false;
  #over = false;
  #alive: AliveQuestions | undefined;
  /** seqnum of the question that has no answer yet. */
  #question: number | undefined;
  #reply: Submission | undefined;
  #status: TransferStatus = TransferStatus.ok;
  #actualLength = 0;
  #errorCount = 0;
  #packetSum = 0;
  payloadLength = 0;
  packetCount = 0;

  constructor(devid: number, loop: Loop, output: UrbClientOutput, limits: SessionLimits) {
    this.#devid = devid;
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#memory = new HeapPool(limits.bytes);
    this.#unlinks = new Unlinks(loop, {
      nudge: () => output.nudge(),
      abandon: (submission) => this.#abandon(submission),
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** From now on a host that falls silent fails: for links that would not notice. */
  watchSilence(): void {
    this.#alive = new AliveQuestions(this.#loop, {
      ask: () => {
        this.#question = this.#nextSeqnum();
        this.#chunks.push(encodeAliveQuestion(this.#question, this.#devid));
        this.flush();
      },
      silent: (error) => this.#output.failed(error),
    });
  }

  submit(urb: Urb): void {
    const refused = this.#refusal(urb);
    const size = submitSize(urb);
    const memory = refused === undefined ? this.#memory.take(size) : undefined;
    if (memory === undefined) {
      this.#finishSoon(urb, refused ?? TransferStatus.noMemory);
      return;
    }
    const submission = submissionOf(urb, this.#nextSeqnum());
    this.#bySeqnum.set(submission.seqnum, submission);
    this.#byUrb.set(urb, submission);
    encodeSubmit(urb, submission.seqnum, this.#devid, memory);
    this.#pooled.push(memory);
    this.#chunks.push(memory.subarray(0, size));
  }

  cancel(urb: Urb): void {
    const submission = this.#byUrb.get(urb);
    if (submission === undefined || submission.unlinked) return;
    submission.unlinked = true;
    const seqnum = this.#nextSeqnum();
    this.#unlinks.add(seqnum, submission);
    this.#chunks.push(encodeUnlink(seqnum, submission.seqnum, this.#devid));
  }

  flush(): void {
    if (this.#chunks.length > 0) {
      this.#alive?.said();
      const pooled = this.#pooled;
      const chunks = this.#chunks;
      this.#pooled = [];
      this.#chunks = [];
      this.#output.write(chunks, () => {
        for (const memory of pooled) this.#memory.give(memory);
      });
    }
    this.#tellFinished();
  }

  /** Bytes of the server, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#alive?.heard();
    const error = this.#reader.receive(bytes) ?? this.#tooMuchOwed();
    if (error !== undefined && !this.#over) this.#output.failed(error);
  }

  /** The connection is gone: everything in flight is over. */
  disconnected(): void {
    this.#over = true;
    this.#alive?.stop();
    this.#unlinks.clear();
    const urbs = Array.from(this.#byUrb.keys());
    this.#byUrb.clear();
    this.#bySeqnum.clear();
    this.#reply = undefined;
    this.#tellFinished();
    for (const urb of urbs) this.#complete(urb, TransferStatus.disconnected, 0, 0);
  }

  header(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const command = HeaderBasic.command(bytes, at);
    switch (command) {
      case Command.RET_SUBMIT:
        return this.#retSubmit(bytes, at);
      case Command.RET_UNLINK:
        return this.#retUnlink(bytes, at);
      default:
        return new ProtocolError("BAD_COMMAND", `command ${command} is neither RET_SUBMIT nor RET_UNLINK`);
    }
  }

  payload(bytes: Uint8Array, position: number): void {
    // Looked up each time: the URB may have been given back in the middle of its reply.
    const urb = this.#reply?.urb;
    if (urb !== undefined) urb.buffer.set(bytes, urb.offset + position);
  }

  packet(index: number, bytes: Uint8Array, at: number): ProtocolError | undefined {
    const offset = IsoPacket.offset(bytes, at);
    const length = IsoPacket.length(bytes, at);
    const actual = IsoPacket.actual_length(bytes, at);
    const status = IsoPacket.status(bytes, at);
    if (actual > length) {
      return new ProtocolError("BAD_LENGTH", `packet ${index} has ${actual} of ${length} bytes`);
    }
    if (status > 0) return new ProtocolError("BAD_FIELD", `packet ${index} has status ${status}, above 0`);
    this.#packetSum += actual;
    const urb = this.#reply?.urb;
    if (urb === undefined) return undefined;
    const { packets } = urb;
    const word = index * PACKET_WORDS;
    if (offset !== packets[word + PacketWord.offset] || length !== packets[word + PacketWord.length]) {
      return new ProtocolError(
        "BAD_FIELD",
        `packet ${index} is ${length} bytes at ${offset}, but ${packets[word + PacketWord.length]} at ` +
          `${packets[word + PacketWord.offset]} was asked for`,
      );
    }
    packets[word + PacketWord.actualLength] = actual;
    packets[word + PacketWord.status] = statusOf(status);
    return undefined;
  }

  replied(): ProtocolError | undefined {
    const submission = this.#reply;
    this.#reply = undefined;
    if (submission === undefined) return undefined;
    if (this.packetCount > 0 && this.#packetSum !== this.#actualLength) {
      return new ProtocolError(
        "BAD_LENGTH",
        `actual_length is ${this.#actualLength}, but its packets have ${this.#packetSum} bytes`,
      );
    }
    this.#bySeqnum.delete(submission.seqnum);
    const { urb } = submission;
    if (urb === undefined) return undefined;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    if (submission.isIn && this.packetCount > 0) spreadPackets(urb, this.#actualLength);
    this.#complete(urb, this.#status, this.#actualLength, this.#errorCount);
    return undefined;
  }

  #refusal(urb: Urb): TransferStatus | undefined {
    if (this.#over) return TransferStatus.disconnected;
    const isCarried = urb.length <= MAX_TRANSFER_LENGTH && urb.packetCount <= MAX_ISO_PACKETS;
    const isSound = isSubmitSound(urb.type, urb.endpoint, urb.length, urb.packetCount, urb.setup[0]!);
    if (!isCarried || !isSound || !packetsAreSound(urb)) return TransferStatus.invalid;
    return this.#byUrb.size >= this.#limits.urbs ? TransferStatus.noMemory : undefined;
  }

  #retSubmit(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const seqnum = HeaderBasic.seqnum(bytes, at);
    const submission = this.#bySeqnum.get(seqnum);
    if (submission === undefined) {
      return new ProtocolError("UNKNOWN_SEQNUM", `RET_SUBMIT ${seqnum} belongs to no request`);
    }
    const status = RetSubmit.status(bytes, at + BODY);
    if (status > 0) return new ProtocolError("BAD_FIELD", `status is ${status}, above 0`);
    const actualLength = RetSubmit.actual_length(bytes, at + BODY);
    if (actualLength < 0 || actualLength > submission.length) {
      return new ProtocolError(
        "BAD_LENGTH",
        `actual_length is ${actualLength} of ${submission.length} bytes`,
      );
    }
    const packets = RetSubmit.number_of_packets(bytes, at + BODY);
    const { packetCount } = submission;
    // Without packets 0 and -1 mean the same: the document says -1, Linux sends back what it got.
    if (packets !== packetCount && (packetCount !== 0 || packets !== -1)) {
      return new ProtocolError("BAD_LENGTH", `number_of_packets is ${packets}, not ${packetCount}`);
    }
    const errorCount = RetSubmit.error_count(bytes, at + BODY);
    if (errorCount < 0 || errorCount > packetCount) {
      return new ProtocolError("BAD_FIELD", `error_count is ${errorCount} of ${packetCount} packets`);
    }
    this.#reply = submission;
    this.#status = statusOf(status);
    this.#actualLength = actualLength;
    this.#errorCount = errorCount;
    this.#packetSum = 0;
    this.payloadLength = submission.isIn ? actualLength : 0;
    this.packetCount = packetCount;
    return undefined;
  }

  /**
   * The request is over, whatever the status: the kernel's server sends that of a transfer which ended while it
   * was being cancelled, and no data. A RET_SUBMIT that came before has taken the request from us already.
   */
  #retUnlink(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const seqnum = HeaderBasic.seqnum(bytes, at);
    if (seqnum === this.#question) {
      this.#question = undefined;
      this.#alive?.answered(hasAliveMark(bytes, at));
      this.payloadLength = 0;
      this.packetCount = 0;
      return undefined;
    }
    const submission = this.#unlinks.take(seqnum);
    if (submission === undefined) {
      return new ProtocolError("UNKNOWN_SEQNUM", `RET_UNLINK ${seqnum} belongs to no request`);
    }
    const status = RetUnlink.status(bytes, at + BODY);
    if (status > 0) return new ProtocolError("BAD_FIELD", `status is ${status}, above 0`);
    this.payloadLength = 0;
    this.packetCount = 0;
    this.#bySeqnum.delete(submission.seqnum);
    this.#giveBack(submission);
    return undefined;
  }

  #abandon(submission: Submission): void {
    this.#giveBack(submission);
    const error = this.#tooMuchOwed();
    if (error !== undefined && !this.#over) this.#output.failed(error);
  }

  /** What a server that answers is remembered for: cancels, and requests that were given back without it. */
  #tooMuchOwed(): ProtocolError | undefined {
    const owed = this.#unlinks.size + this.#bySeqnum.size - this.#byUrb.size;
    if (owed <= 2 * this.#limits.urbs) return undefined;
    return new ProtocolError("PEER_SILENT", `${owed} requests and cancels have no answer`);
  }

  #giveBack(submission: Submission): void {
    const { urb } = submission;
    if (urb === undefined) return;
    submission.urb = undefined;
    this.#byUrb.delete(urb);
    this.#complete(urb, TransferStatus.cancelled, 0, 0);
  }

  #complete(urb: Urb, status: TransferStatus, actualLength: number, errorCount: number): void {
    urb.status = status;
    urb.actualLength = actualLength;
    urb.errorCount = errorCount;
    this.#output.completed(urb);
  }

  #finishSoon(urb: Urb, status: TransferStatus): void {
    urb.status = status;
    this.#finished.push(urb);
    if (this.#finishIsDue) return;
    this.#finishIsDue = true;
    this.#loop.soon(() => {
      this.#finishIsDue = false;
      this.#tellFinished();
    });
  }

  #tellFinished(): void {
    for (const urb of this.#finished.splice(0)) this.#output.completed(urb);
  }

  /** Linux counts through all 32 bits; a number whose answer is still owed is passed over. */
  #nextSeqnum(): number {
    do this.#lastSeqnum = (this.#lastSeqnum + 1) >>> 0;
    while (this.#isInUse(this.#lastSeqnum));
    return this.#lastSeqnum;
  }

  #isInUse(seqnum: number): boolean {
    return this.#bySeqnum.has(seqnum) || this.#unlinks.has(seqnum) || seqnum === this.#question;
  }
}
