import { closeSync } from "node:fs";
import { ProtocolError } from "../wire/protocol-error.ts";
import { FDS_MAX, Header, MESSAGE_MAX } from "./messages.ts";

/** So much is read at a time: several messages, and at least the longest one. */
const BUFFER_BYTES = 2 * MESSAGE_MAX;

interface PassedDescriptors {
  /** Where their message begins. */
  at: number;
  readonly fds: number[];
}

/**
 * Cuts a stream into messages. Descriptors that come with some bytes belong to the last message of them: the kernel
 * delivers nothing behind bytes that carry descriptors, but may deliver other bytes before them (unix(7), SCM_RIGHTS).
 */
export class MessageReader {
  readonly buffer = new Uint8Array(BUFFER_BYTES);
  /** Where the next message begins. */
  #at = 0;
  #end = 0;
  readonly #passed: PassedDescriptors[] = [];

  /** Where the next message begins in the buffer. */
  get at(): number {
    return this.#at;
  }

  /** Where the next bytes of the stream go in the buffer; there is always room. */
  get end(): number {
    return this.#end;
  }

  /** So many bytes have come, and descriptors, which are closed if nobody takes them. */
  arrived(length: number, fds: readonly number[]): ProtocolError | undefined {
    this.#end += length;
    return fds.length === 0 ? undefined : this.#keep(fds);
  }

  /** Bytes of the next message; 0 while it is not whole. */
  next(): number | ProtocolError {
    if (this.#end - this.#at < Header.size) return 0;
    const size = Header.message_size(this.buffer, this.#at);
    if (size < Header.size || size > MESSAGE_MAX) {
      return new ProtocolError(
        "BAD_LENGTH",
        `a message of ${size} bytes, of which ${MESSAGE_MAX} are allowed`,
      );
    }
    return this.#end - this.#at < size ? 0 : size;
  }

  /** The descriptors of the next message, which is whole. The caller owns them. */
  takeDescriptors(): number[] | undefined {
    if (this.#passed[0]?.at !== this.#at) return undefined;
    return this.#passed.shift()!.fds;
  }

  /** The next message is over. */
  consume(size: number): void {
    this.#at += size;
  }

  /** Makes room for what comes next. */
  compact(): void {
    if (this.#at === 0) return;
    this.buffer.copyWithin(0, this.#at, this.#end);
    for (const passed of this.#passed) passed.at -= this.#at;
    this.#end -= this.#at;
    this.#at = 0;
  }

  /** Closes descriptors of messages that nobody will have. */
  close(): void {
    for (const { fds } of this.#passed.splice(0)) for (const fd of fds) closeSync(fd);
  }

  #keep(fds: readonly number[]): ProtocolError | undefined {
    const at = this.#lastBeginning();
    let passed = this.#passed.find((other) => other.at === at);
    if (passed === undefined) {
      passed = { at, fds: [] };
      this.#passed.push(passed);
    }
    passed.fds.push(...fds);
    return passed.fds.length > FDS_MAX
      ? new ProtocolError("BAD_LENGTH", `more than ${FDS_MAX} descriptors with a message`)
      : undefined;
  }

  /** Where the last message begins of which there are bytes. */
  #lastBeginning(): number {
    let last = this.#at;
    while (this.#end - last >= Header.size) {
      const next = last + Math.max(Header.size, Header.message_size(this.buffer, last));
      if (next >= this.#end) break;
      last = next;
    }
    return last;
  }
}
