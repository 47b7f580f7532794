import { PACKET_WORDS, PacketWord, TransferStatus } from "../usb/urb.ts";
import { spreadPackets } from "../usb/urb-soundness.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { IncomingMessage } from "./message-reader.ts";
import { IsoResult, UrbResponse } from "./messages.ts";
import { Priority } from "./outbox.ts";
import { responsePriority } from "./priorities.ts";
import { Status, TRANSFER_STATUSES, transferStatusOf } from "./status.ts";
import type { Submission } from "./submission.ts";

/**
 * A UrbResponse that is being read, and the guard behind it: nothing reaches the URB before it was measured. Used again for
 * another one when it is `over`.
 */
export class IncomingResponse implements IncomingMessage {
  #submission!: Submission;
  readonly #over: (response: IncomingResponse) => void;
  #costsCredit = false;
  wanted: number = UrbResponse.size;
  #isHeadRead = false;
  #frameSize = 0;
  #follows = false;
  /** Bytes of the whole message, and of the frames that have begun. */
  #whole = 0;
  #framed = 0;
  #status: TransferStatus = TransferStatus.ok;
  #transferred = 0;
  #startFrame = 0;
  /** Packets that failed, as the host counts them. */
  #errorCount = 0;
  /** Bytes of IN data that have been read. */
  #position = 0;

  constructor(over: (response: IncomingResponse) => void) {
    this.#over = over;
  }

  /** Begins anew, with the response to another request. */
  renew(submission: Submission): this {
    this.#submission = submission;
    this.#costsCredit = false;
    this.wanted = UrbResponse.size;
    this.#isHeadRead = false;
    this.#framed = 0;
    this.#position = 0;
    return this;
  }

  frame(size: number, follows: boolean): ProtocolError | undefined {
    this.#frameSize = size;
    this.#follows = follows;
    return this.#isHeadRead ? this.#measure() : undefined;
  }

  fixed(bytes: Uint8Array, at: number): ProtocolError | undefined {
    if (this.#isHeadRead) return this.#packets(bytes, at);
    this.#isHeadRead = true;
    const { length, packetCount, isIn, type } = this.#submission;
    const status = UrbResponse.status(bytes, at);
    if (status >= TRANSFER_STATUSES) {
      return new ProtocolError("BAD_FIELD", `status ${status} is not of a transfer`);
    }
    const transferred = UrbResponse.transferred_length(bytes, at);
    if (transferred > length) {
      return new ProtocolError("BAD_LENGTH", `transferred_length is ${transferred} of ${length} bytes`);
    }
    const packets = UrbResponse.number_of_packets(bytes, at);
    if (packets !== packetCount) {
      return new ProtocolError("BAD_LENGTH", `number_of_packets is ${packets}, not ${packetCount}`);
    }
    const errorCount = UrbResponse.error_count(bytes, at);
    if (errorCount > 0 && packetCount === 0) {
      return new ProtocolError("BAD_FIELD", `error_count is ${errorCount}, but there are no packets`);
    }
    this.#status = transferStatusOf(status);
    this.#transferred = transferred;
    this.#startFrame = UrbResponse.start_frame(bytes, at) | 0;
    this.#errorCount = errorCount;
    this.#costsCredit = responsePriority(type, status, transferred) !== Priority.urgent;
    this.#whole = UrbResponse.size + packetCount * IsoResult.size + (isIn ? transferred : 0);
    this.wanted = packetCount * IsoResult.size;
    return this.#measure();
  }

  data(bytes: Uint8Array, at: number, length: number): void {
    // Looked up each time: the URB may have been given back in the middle of its response.
    const { urb } = this.#submission;
    if (urb !== undefined) urb.buffer.set(bytes.subarray(at, at + length), urb.offset + this.#position);
    this.#position += length;
  }

  frameEnd(): void {
    if (this.#costsCredit) this.#submission.owner.refund();
  }

  done(): undefined {
    const { urb, isIn, packetCount, owner } = this.#submission;
    if (urb !== undefined) {
      if (isIn && packetCount > 0) spreadPackets(urb, this.#transferred);
      urb.status = this.#status;
      urb.actualLength = this.#transferred;
      urb.startFrame = this.#startFrame;
      urb.errorCount = this.#errorCount;
    }
    owner.answered(this.#submission);
    this.#over(this);
  }

  abandoned(): void {
    this.#over(this);
  }

  /** A frame fits the message, and the credit. */
  #measure(): ProtocolError | undefined {
    this.#framed += this.#frameSize;
    if (this.#framed > this.#whole || (!this.#follows && this.#framed < this.#whole)) {
      const { sequence } = this.#submission;
      return new ProtocolError(
        "BAD_LENGTH",
        `the frames of UrbResponse ${sequence} have ${this.#framed} bytes, its fields say ${this.#whole}`,
      );
    }
    return this.#costsCredit ? this.#submission.owner.room.spend(this.#frameSize) : undefined;
  }

  #packets(bytes: Uint8Array, at: number): ProtocolError | undefined {
    const { packetCount, urb } = this.#submission;
    this.wanted = 0;
    let sum = 0;
    let errors = 0;
    for (let i = 0; i < packetCount; i++) {
      const actual = IsoResult.actual_length(bytes, at + i * IsoResult.size);
      const status = IsoResult.status(bytes, at + i * IsoResult.size);
      const length = urb?.packets[i * PACKET_WORDS + PacketWord.length] ?? actual;
      if (actual > length) {
        return new ProtocolError("BAD_LENGTH", `packet ${i} has ${actual} of ${length} bytes`);
      }
      if (status >= TRANSFER_STATUSES) {
        return new ProtocolError("BAD_FIELD", `packet ${i} has status ${status}, which is not of a transfer`);
      }
      sum += actual;
      if (status !== Status.OK) errors++;
    }
    if (sum !== this.#transferred) {
      return new ProtocolError(
        "BAD_LENGTH",
        `transferred_length is ${this.#transferred}, but its packets have ${sum} bytes`,
      );
    }
    if (errors !== this.#errorCount) {
      return new ProtocolError(
        "BAD_FIELD",
        `error_count is ${this.#errorCount}, but ${errors} packets failed`,
      );
    }
    if (urb === undefined) return undefined;
    for (let i = 0; i < packetCount; i++) {
      const place = at + i * IsoResult.size;
      urb.packets[i * PACKET_WORDS + PacketWord.actualLength] = IsoResult.actual_length(bytes, place);
      urb.packets[i * PACKET_WORDS + PacketWord.status] = transferStatusOf(IsoResult.status(bytes, place));
    }
    return undefined;
  }
}
