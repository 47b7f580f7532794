import { isIn } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Exchange } from "./exchange.ts";
import type { HostDevice } from "./host-device.ts";
import { MAX_PACKETS, MAX_TRANSFER_LENGTH } from "./limits.ts";
import type { IncomingMessage } from "./message-reader.ts";
import { IsoRequest, UrbRequest } from "./messages.ts";
import { Priority } from "./outbox.ts";
import { requestPriority } from "./priorities.ts";

/** What the requests of a connection are for. */
export interface RequestTarget {
  /** The device of a handle; nothing for one that was detached. */
  device(handle: number): HostDevice | undefined | ProtocolError;
  /** It is over, and may be used for another one. */
  over(request: IncomingRequest): void;
}

/** A UrbRequest that is being read. Its lengths say what belongs to it, whatever becomes of the transfer. */
export class IncomingRequest implements IncomingMessage {
  #sequence = 0;
  readonly #target: RequestTarget;
  #device: HostDevice | undefined;
  #costsCredit = false;
  /** Nothing: the rest is read and dropped. */
  #exchange: Exchange | undefined;
  wanted: number = UrbRequest.size;
  #isHeadRead = false;
  #frameSize = 0;
  #follows = false;
  /** Bytes of the whole message, and of the frames that have begun. */
  #whole = 0;
  #framed = 0;
  /** Bytes of OUT data that have been read. */
  #position = 0;

  constructor(target: RequestTarget) {
    this.#target = target;
  }

  /** Begins anew, with another request. */
  renew(sequence: number): this {
    this.#sequence = sequence;
    this.#costsCredit = false;
    this.wanted = UrbRequest.size;
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
    if (this.#isHeadRead) {
      this.#packets(bytes, at);
      return undefined;
    }
    this.#isHeadRead = true;
    const length = UrbRequest.transfer_buffer_length(bytes, at);
    if (length > MAX_TRANSFER_LENGTH) {
      return new ProtocolError(
        "BAD_LENGTH",
        `transfer_buffer_length is ${length}, the limit is ${MAX_TRANSFER_LENGTH}`,
      );
    }
    const packets = UrbRequest.number_of_packets(bytes, at);
    if (packets > MAX_PACKETS) {
      return new ProtocolError("BAD_LENGTH", `number_of_packets is ${packets}, the limit is ${MAX_PACKETS}`);
    }
    const endpoint = UrbRequest.endpoint(bytes, at);
    if ((endpoint & 0x70) !== 0)
      return new ProtocolError("BAD_FIELD", `endpoint is 0x${endpoint.toString(16)}`);
    const type = UrbRequest.transfer_type(bytes, at);
    if (type > 3) return new ProtocolError("BAD_FIELD", `transfer_type is ${type}, above 3`);
    const device = this.#target.device(UrbRequest.device(bytes, at));
    if (device instanceof ProtocolError) return device;
    this.#device = device;
    this.#costsCredit = requestPriority(type as 0 | 1 | 2 | 3) !== Priority.urgent;
    this.#whole = UrbRequest.size + packets * IsoRequest.size + (isIn(endpoint) ? 0 : length);
    this.wanted = packets * IsoRequest.size;
    const error = this.#measure();
    if (error !== undefined) return error;
    this.#exchange = device?.begin(this.#sequence, bytes, at);
    return undefined;
  }

  data(bytes: Uint8Array, at: number, length: number): void {
    const exchange = this.#exchange;
    if (exchange !== undefined) {
      const { buffer, offset } = exchange.urb;
      buffer.set(bytes.subarray(at, at + length), offset + this.#position);
    }
    this.#position += length;
  }

  frameEnd(): void {
    if (this.#costsCredit) this.#device?.refund();
  }

  done(): undefined {
    this.#device?.submit(this.#sequence, this.#exchange);
    this.#forget();
  }

  abandoned(): void {
    this.#device?.abandon(this.#sequence, this.#exchange);
    this.#forget();
  }

  #forget(): void {
    this.#device = undefined;
    this.#exchange = undefined;
    this.#target.over(this);
  }

  /** A frame fits the message, and the credit. */
  #measure(): ProtocolError | undefined {
    this.#framed += this.#frameSize;
    if (this.#framed > this.#whole || (!this.#follows && this.#framed < this.#whole)) {
      return new ProtocolError(
        "BAD_LENGTH",
        `the frames of UrbRequest ${this.#sequence} have ${this.#framed} bytes, its fields say ${this.#whole}`,
      );
    }
    return this.#costsCredit ? this.#device?.spend(this.#frameSize) : undefined;
  }

  #packets(bytes: Uint8Array, at: number): void {
    this.#device?.packets(this.#exchange, bytes, at, this.wanted / IsoRequest.size);
    this.wanted = 0;
  }
}
