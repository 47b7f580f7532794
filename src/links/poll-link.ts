import type { PolledDescriptor, Ready } from "../linux/poll-set.ts";
import { type StreamSockets, WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import type { Link } from "./link.ts";
import { type LinkError, linkError } from "./link-error.ts";
import { Outgoing } from "./outgoing.ts";
import type { ReceiveBuffer } from "./receive-buffer.ts";

/** What the poll links of a thread share. */
export interface PollLinkLoop {
  readonly sockets: StreamSockets;
  readonly inbox: ReceiveBuffer;
  /** Runs `callback` once, after the current callback has returned. */
  soon(callback: () => void): void;
  /** Tells what a descriptor is ready for, as far as it is wished. */
  attend(fd: number, ready: Ready): PolledDescriptor;
}

/** Reads of one link before the others have their turn. */
const READS_IN_A_ROW = 4;

/** A link over a connected socket that no event loop knows: its loop waits in poll(2). It owns the descriptor. */
export class PollLink implements Link {
  readonly peer: string;
  readonly writeBytes: number | undefined;
  readonly #fd: number;
  readonly #loop: PollLinkLoop;
  readonly #ready: Ready = (readable, writable) => {
    if (readable && this.#reads) this.#read();
    if (writable && this.#oldest !== undefined) this.#send();
  };
  #polled: PolledDescriptor | undefined;
  #receive: (bytes: Uint8Array) => void = () => {};
  #ended: ((cause?: LinkError) => void) | undefined;
  #cause: LinkError | undefined;
  #oldest: Outgoing | undefined;
  #youngest: Outgoing | undefined;
  #spare: Outgoing | undefined;
  #unsent = 0;
  /** `end` was called, or the peer has ended: nothing more is written. */
  #ending = false;
  /** The peer was told so. */
  #told = false;
  #peerEnded = false;
  #over = false;

  constructor(peer: string, fd: number, loop: PollLinkLoop, writeBytes?: number) {
    this.peer = peer;
    this.writeBytes = writeBytes;
    this.#fd = fd;
    this.#loop = loop;
  }

  get unsent(): number {
    return this.#unsent;
  }

  get descriptor(): number | undefined {
    return this.#over ? undefined : this.#fd;
  }

  start(receive: (bytes: Uint8Array) => void, ended: (cause?: LinkError) => void): void {
    this.#receive = receive;
    this.#ended = ended;
    if (this.#over) this.#loop.soon(() => ended(this.#cause));
    else this.#wish();
  }

  write(chunks: readonly Uint8Array[], written: () => void): void {
    if (this.#over || this.#ending) {
      this.#loop.soon(written);
      return;
    }
    for (let i = 0; i < chunks.length; i++) this.#unsent += chunks[i]!.length;
    const isAlone = this.#oldest === undefined;
    this.#queue(chunks, written);
    if (isAlone) this.#send();
  }

  end(): void {
    this.#ending = true;
    this.#finish();
  }

  destroy(): void {
    this.#close(undefined);
  }

  get #reads(): boolean {
    return this.#ended !== undefined && !this.#peerEnded && !this.#over;
  }

  #read(): void {
    const { sockets, inbox } = this.#loop;
    for (let reads = 0; reads < READS_IN_A_ROW && this.#reads; reads++) {
      const length = sockets.receive(this.#fd, inbox.bytes);
      if (length instanceof SystemError) {
        this.#fail(length);
        return;
      }
      if (length === WOULD_BLOCK) return;
      if (length === 0) {
        // No half-open links: the side that hears of the end answers with its own, once all it wrote has left.
        this.#peerEnded = true;
        this.#wish();
        this.end();
        return;
      }
      this.#receive(inbox.front(length));
      // There was no more at that moment.
      if (length < inbox.bytes.length) break;
    }
    this.#polled?.expect();
  }

  /** Sends what waits, as far as the kernel takes it. */
  #send(): void {
    for (let outgoing = this.#oldest; outgoing !== undefined; outgoing = this.#oldest) {
      const { chunks, first, offset } = outgoing;
      const length = this.#loop.sockets.send(this.#fd, chunks, first, offset, this.writeBytes);
      if (length instanceof SystemError) {
        this.#fail(length);
        return;
      }
      if (length === WOULD_BLOCK) break;
      this.#unsent -= length;
      if (outgoing.advance(length)) this.#dequeue(outgoing);
    }
    this.#wish();
    this.#finish();
  }

  #queue(chunks: readonly Uint8Array[], written: () => void): void {
    const outgoing = this.#spare ?? new Outgoing();
    this.#spare = undefined;
    outgoing.begin(chunks, written);
    if (this.#youngest === undefined) this.#oldest = outgoing;
    else this.#youngest.next = outgoing;
    this.#youngest = outgoing;
  }

  #dequeue(outgoing: Outgoing): void {
    this.#loop.soon(outgoing.written);
    this.#oldest = outgoing.next;
    if (this.#oldest === undefined) this.#youngest = undefined;
    outgoing.clear();
    this.#spare = outgoing;
  }

  /** A descriptor for which nothing is wished is not watched at all: a hang-up would be told without end. */
  #wish(): void {
    const writable = this.#oldest !== undefined;
    if (this.#reads || writable) {
      this.#polled ??= this.#loop.attend(this.#fd, this.#ready);
      this.#polled.wish(this.#reads, writable);
    } else {
      this.#polled?.end();
      this.#polled = undefined;
    }
  }

  /** Once all has left: tells the peer of our end, and closes when both sides have ended. */
  #finish(): void {
    if (!this.#ending || this.#over || this.#oldest !== undefined) return;
    if (this.#peerEnded) this.#close(undefined);
    else if (!this.#told) {
      this.#told = true;
      this.#loop.sockets.finish(this.#fd);
    }
  }

  #fail(cause: SystemError): void {
    this.#close(linkError("carry", this.peer, cause));
  }

  #close(cause: LinkError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#cause = cause;
    this.#unsent = 0;
    this.#polled?.end();
    this.#loop.sockets.close(this.#fd);
    for (let lost = this.#oldest; lost !== undefined; lost = this.#oldest) this.#dequeue(lost);
    const ended = this.#ended;
    if (ended !== undefined) this.#loop.soon(() => ended(cause));
  }
}
