import type { Protocol } from "../links/address.ts";
import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import type { ExportedDevice, Exports } from "../usbip/exports.ts";
import { type EndCause, type ImportRefusal, type ServerOutput, UsbipServer } from "../usbip/server.ts";
import { SESSION_LIMITS } from "../usbip/session-limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Conversation, ConversationOutput } from "./conversation.ts";
import { type CarriedSession, PlaneGadget } from "./data-plane/plane-gadget.ts";
import { protocolOf } from "./first-bytes.ts";
import type { HostLimits } from "./host-limits.ts";
import type { Log } from "./log.ts";
import { endByLink, endByProtocol, endBySession, isWanted, type SessionEnd, STOPPED } from "./session-end.ts";
import { StallWatch } from "./stall-watch.ts";

/** What a session tells its host. */
export interface SessionOwner {
  imported(session: Session, exported: ExportedDevice, counters: TransferCounters): void;
  /** The peer asked for a device and did not get it. */
  refused(session: Session, busid: string, refusal: ImportRefusal): void;
  /** It wants `patrol` to be called, until it says otherwise. */
  restless(session: Session): void;
  /** The session is over and its device free again. Called once. */
  finished(session: Session, end: SessionEnd): void;
}

/** What one client is offered, and what becomes of the device that it asked for last. */
export interface SessionExports extends Exports {
  /** Nobody else can have it from now on. */
  take(): void;
  /** The client has it. */
  imported(counters: TransferCounters): void;
  /** The client has it no longer. */
  returned(end: SessionEnd, durationMs: number): void;
  /** It is free again; always after `take`. */
  giveBack(): void;
  /** What the list says of it is not the same any more. */
  changed?(): void;
}

type OtherProtocol = "wslusb" | "ring";

/** Makes the conversation with a client that does not speak USB/IP. */
export type ServeOther = (protocol: OtherProtocol, output: ConversationOutput) => Conversation;

const UNUSED: SessionEnd = {
  code: "OK",
  reason: "the peer had no device and no subscription for too long",
};

/** How often `patrol` is to be called for a session that is restless. */
export const PATROL_MS = 250;

/**
 * One accepted connection, from its first byte until its device is given back. If its device lives in the data plane, a
 * session there goes on with the connection; this one stands for it until that is over.
 */
export class Session {
  readonly #link: Link;
  readonly #exports: SessionExports;
  readonly #loop: Loop;
  readonly #limits: HostLimits;
  readonly #log: Log;
  readonly #owner: SessionOwner;
  readonly #trace: SessionTrace | undefined;
  readonly #serveOther: ServeOther | undefined;
  /** Of a client whose first bytes do not tell what it speaks. */
  readonly #expected: Protocol;
  #server: Conversation;
  /** The first bytes of the peer, while they do not tell what it speaks. */
  #undecided: Uint8Array | undefined = new Uint8Array(0);
  readonly #acceptedMs: number;
  /** It has asked for a device and got it. */
  #hasDevice = false;
  /** Nobody else can have the device; it may be about to open, or the connection on its way to the data plane. */
  #isTaken = false;
  /** Since when the peer may ask once more, or has had no use for the connection. */
  #answeredMs: number | undefined;
  /** Why it ends, as soon as that is known; the first reason stands. */
  #end: SessionEnd | undefined;
  /** Since when our side is closed and the peer's is waited for. */
  #lingerMs: number | undefined;
  readonly #stall: StallWatch;
  #carried: CarriedSession | undefined;
  #isRestless = true;

  constructor(
    link: Link,
    exports: SessionExports,
    loop: Loop,
    limits: HostLimits,
    log: Log,
    owner: SessionOwner,
    acceptedMs: number = loop.now(),
    trace?: SessionTrace,
    serveOther?: ServeOther,
    expected: Protocol = "usbip",
  ) {
    this.#link = link;
    this.#expected = expected;
    this.#serveOther = serveOther;
    this.#exports = exports;
    this.#loop = loop;
    this.#limits = limits;
    this.#log = log;
    this.#owner = owner;
    this.#trace = trace;
    this.#acceptedMs = acceptedMs;
    this.#stall = new StallWatch(link, limits.stallMs, loop.now());
    const output: ServerOutput = {
      write: (chunks, written) => this.#write(chunks, written),
      end: (cause) => this.#ended(cause),
      opening: () => this.#take(),
      imported: (exported, counters) => this.#imported(exported, counters),
      handOver: (exported, request) => this.#handOver(exported, request),
      refused: (busid, refusal) => {
        this.#giveBack();
        this.#owner.refused(this, busid, refusal);
      },
    };
    this.#server = new UsbipServer(exports, loop, output, SESSION_LIMITS, trace);
  }

  /** `request` is what has been read of the connection already. */
  start(request?: Uint8Array): void {
    this.#link.start(
      (bytes) => this.#receive(bytes),
      (cause) => this.#gone(cause),
    );
    if (request !== undefined) this.#receive(request);
  }

  /** Looks at the clock; false if there is nothing to look for before the session is restless again. */
  patrol(): boolean {
    this.#look();
    this.#isRestless = !this.#isAtRest;
    return this.#isRestless;
  }

  /** What happens next has a callback of its own. */
  get #isAtRest(): boolean {
    if (this.#carried !== undefined) return true;
    const { phase } = this.#server;
    const isSettled = this.#hasDevice || phase === "events" || phase === "devices";
    return isSettled && this.#lingerMs === undefined && this.#link.unsent === 0;
  }

  #write(chunks: readonly Uint8Array[], written: () => void): void {
    this.#wake();
    this.#stall.write(chunks, written);
  }

  #wake(): void {
    if (this.#isRestless) return;
    this.#isRestless = true;
    this.#stall.rested(this.#loop.now());
    this.#owner.restless(this);
  }

  #look(): void {
    if (this.#carried !== undefined) return;
    const nowMs = this.#loop.now();
    if (this.#stall.isStalled(nowMs)) {
      this.#cut(new ProtocolError("PEER_NOT_READING", this.#stall.reason));
    } else if (this.#lingerMs !== undefined) {
      const lingeredMs = nowMs - this.#lingerMs;
      const isRead = this.#link.unsent === 0;
      // A peer that takes a byte now and then does not keep the device.
      if (lingeredMs >= (isRead ? this.#limits.lingerMs : this.#limits.stallMs)) this.#link.destroy();
    } else if (!this.#hasDevice) {
      this.#patrolHandshake(nowMs);
    }
  }

  /** Says goodbye to the peer; `destroy` follows if it does not answer. */
  stop(): void {
    if (this.#carried === undefined) this.#leave(STOPPED, () => this.#close());
    else this.#carried.stop();
  }

  /** Cuts the peer off. */
  kick(end: SessionEnd): void {
    if (this.#carried !== undefined) {
      this.#carried.kick(end);
      return;
    }
    this.#leave(end, () => this.#link.destroy());
  }

  destroy(): void {
    if (this.#carried === undefined) this.#link.destroy();
    else this.#carried.destroy();
  }

  #patrolHandshake(nowMs: number): void {
    const isOld = nowMs - this.#acceptedMs >= this.#limits.handshakeMs;
    switch (this.#server.phase) {
      case "request":
        if (isOld) {
          const seconds = this.#limits.handshakeMs / 1_000;
          const late = new ProtocolError("HANDSHAKE_TIMEOUT", `no whole request arrived within ${seconds} s`);
          if (this.#undecided !== undefined && this.#expected === "wslusb") this.#speak("wslusb");
          this.#leave(endByProtocol(late), () => this.#link.destroy());
        }
        break;
      case "another":
        // A peer that lists again and again is sent away too: it holds a place without a device.
        if (isOld || nowMs - (this.#answeredMs ?? nowMs) >= this.#limits.anotherMs) this.#close();
        break;
      case "unused":
        this.#answeredMs ??= nowMs;
        if (nowMs - this.#answeredMs >= this.#limits.handshakeMs) this.#leave(UNUSED, () => this.#close());
        break;
      case "events":
      case "devices":
      case "urbs":
      case "over":
        break;
    }
  }

  #receive(bytes: Uint8Array): void {
    // Behind our end the peer's bytes are only drained, so that closing does not reset what it still reads.
    if (this.#lingerMs !== undefined) return;
    if (this.#undecided === undefined) this.#server.receive(bytes);
    else this.#decide(this.#undecided, bytes);
    const { phase } = this.#server;
    if (phase === "another") this.#answeredMs = this.#loop.now();
    else if (phase !== "unused") this.#answeredMs = undefined;
  }

  #decide(first: Uint8Array, bytes: Uint8Array): void {
    const seen = new Uint8Array(first.length + bytes.length);
    seen.set(first);
    seen.set(bytes, first.length);
    const protocol = protocolOf(seen, this.#expected);
    this.#undecided = protocol === undefined ? seen : undefined;
    if (protocol === undefined) return;
    if (protocol !== "usbip") this.#speak(protocol);
    this.#server.receive(seen);
  }

  #speak(protocol: OtherProtocol): void {
    if (this.#serveOther === undefined) return;
    this.#server = this.#serveOther(protocol, {
      write: (chunks, written) => this.#write(chunks, written),
      end: (error) => this.#ended(error),
      restless: () => this.#wake(),
    });
  }

  #imported(exported: ExportedDevice, counters: TransferCounters): void {
    this.#hasDevice = true;
    this.#exports.imported(counters);
    this.#owner.imported(this, exported, counters);
  }

  #handOver(exported: ExportedDevice, request: Uint8Array): boolean {
    const { device } = exported;
    if (!(device instanceof PlaneGadget) || this.#link.move === undefined) return false;
    this.#take();
    const moved = (fd: number): void => {
      const { peer, writeBytes } = this.#link;
      const ageMs = this.#loop.now() - this.#acceptedMs;
      const { busid, path, busnum, devnum } = exported;
      this.#carried = device.carry(
        {
          fd,
          peer,
          writeBytes,
          request,
          ageMs,
          exported: { busid, path, busnum, devnum },
          ...(this.#trace !== undefined && { traced: this.#trace.session }),
        },
        {
          imported: (counters) => {
            this.#exports.imported(counters);
            this.#owner.imported(this, exported, counters);
          },
          refused: (refusal) => this.#owner.refused(this, busid, refusal),
          returned: (end, durationMs) => this.#exports.returned(end, durationMs),
          finished: (end) => {
            this.#giveBack();
            this.#owner.finished(this, end);
          },
        },
      );
    };
    this.#link.move(moved, (cause) => this.#carried?.kick(endByLink(cause, true)));
    return true;
  }

  #take(): void {
    this.#isTaken = true;
    this.#exports.take();
  }

  #giveBack(): void {
    if (this.#isTaken) this.#exports.giveBack();
    this.#isTaken = false;
  }

  #ended(cause: EndCause): void {
    this.#end ??= endBySession(cause);
    this.#close();
  }

  #cut(error: ProtocolError): void {
    this.#end ??= endByProtocol(error);
    this.#link.destroy();
  }

  /** Tells the peer if it can be told; `otherwise` runs where not. */
  #leave(end: SessionEnd, otherwise: () => void): void {
    this.#end ??= end;
    if (this.#server.leave === undefined) otherwise();
    else if (this.#lingerMs === undefined) this.#server.leave(end);
  }

  #close(): void {
    this.#lingerMs ??= this.#loop.now();
    this.#wake();
    this.#link.end();
  }

  #gone(cause: LinkError | undefined): void {
    const end = this.#end ?? endByLink(cause, this.#server.phase !== "request");
    this.#server.disconnected(() => {
      const durationMs = Math.round(this.#loop.now() - this.#acceptedMs);
      if (this.#hasDevice) this.#exports.returned(end, durationMs);
      else this.#tell(end, durationMs);
      this.#giveBack();
      this.#owner.finished(this, end);
    }, end);
  }

  #tell(end: SessionEnd, durationMs: number): void {
    const { peer } = this.#link;
    const line = `${end.code} ${peer} after ${durationMs / 1_000} s: ${end.reason}`;
    const fields = { code: end.code, peer, durationMs };
    if (isWanted(end)) this.#log.info(fields, line);
    else this.#log.warn(fields, line);
  }
}
