import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import { type EndCause, UsbipServer } from "../usbip/server.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { HostLimits } from "./host-limits.ts";
import type { Log } from "./log.ts";
import type { Admission } from "./rules/gate.ts";
import { endByLink, endByProtocol, endBySession, type SessionEnd, STOPPED } from "./session-end.ts";
import { StallWatch } from "./stall-watch.ts";

/** What a session tells its host. */
export interface SessionOwner {
  imported(session: Session): void;
  /** The session is over and its device free again. Called once. */
  finished(session: Session): void;
}

/** One accepted connection, from its first byte until its device is given back. */
export class Session {
  readonly #link: Link;
  readonly #exports: Admission;
  readonly #loop: Loop;
  readonly #limits: HostLimits;
  readonly #log: Log;
  readonly #owner: SessionOwner;
  readonly #server: UsbipServer;
  readonly #acceptedMs: number;
  #hasDevice = false;
  /** Since when the peer may ask once more. */
  #answeredMs: number | undefined;
  /** Why it ends, as soon as that is known; the first reason stands. */
  #end: SessionEnd | undefined;
  /** Since when our side is closed and the peer's is waited for. */
  #lingerMs: number | undefined;
  readonly #stall: StallWatch;

  constructor(link: Link, exports: Admission, loop: Loop, limits: HostLimits, log: Log, owner: SessionOwner) {
    this.#link = link;
    this.#exports = exports;
    this.#loop = loop;
    this.#limits = limits;
    this.#log = log;
    this.#owner = owner;
    this.#acceptedMs = loop.now();
    this.#stall = new StallWatch(link, limits.stallMs, this.#acceptedMs);
    this.#server = new UsbipServer(exports, loop, {
      write: (chunks, written) => this.#stall.write(chunks, written),
      end: (cause) => this.#ended(cause),
      imported: () => this.#imported(),
    });
  }

  start(): void {
    this.#link.start(
      (bytes) => this.#receive(bytes),
      (cause) => this.#gone(cause),
    );
  }

  /** Looks at the clock; the host calls it several times a second. */
  patrol(): void {
    const nowMs = this.#loop.now();
    if (this.#stall.isStalled(nowMs)) {
      this.#cut(new ProtocolError("PEER_NOT_READING", this.#stall.reason));
    } else if (this.#lingerMs !== undefined) {
      if (nowMs - this.#lingerMs >= this.#limits.lingerMs && this.#link.unsent === 0) this.#link.destroy();
    } else if (!this.#hasDevice) {
      this.#patrolHandshake(nowMs);
    }
  }

  /** Says goodbye to the peer; `destroy` follows if it does not answer. */
  stop(): void {
    this.#end ??= STOPPED;
    this.#close();
  }

  destroy(): void {
    this.#link.destroy();
  }

  #patrolHandshake(nowMs: number): void {
    const isOld = nowMs - this.#acceptedMs >= this.#limits.handshakeMs;
    switch (this.#server.phase) {
      case "request":
        if (isOld) {
          const seconds = this.#limits.handshakeMs / 1_000;
          this.#cut(new ProtocolError("HANDSHAKE_TIMEOUT", `no whole request arrived within ${seconds} s`));
        }
        break;
      case "another":
        // A peer that lists again and again is sent away too: it holds a place without a device.
        if (isOld || nowMs - (this.#answeredMs ?? nowMs) >= this.#limits.anotherMs) this.#close();
        break;
      case "urbs":
      case "over":
        break;
    }
  }

  #receive(bytes: Uint8Array): void {
    // Behind our end the peer's bytes are only drained, so that closing does not reset what it still reads.
    if (this.#lingerMs !== undefined) return;
    this.#server.receive(bytes);
    if (this.#server.phase === "another") this.#answeredMs = this.#loop.now();
  }

  #imported(): void {
    this.#hasDevice = true;
    this.#exports.imported();
    this.#owner.imported(this);
  }

  #ended(cause: EndCause): void {
    this.#end ??= endBySession(cause);
    this.#close();
  }

  #cut(error: ProtocolError): void {
    this.#end ??= endByProtocol(error);
    this.#link.destroy();
  }

  #close(): void {
    this.#lingerMs ??= this.#loop.now();
    this.#link.end();
  }

  #gone(cause: LinkError | undefined): void {
    const end = this.#end ?? endByLink(cause, this.#server.phase !== "request");
    this.#server.disconnected(() => {
      const durationMs = Math.round(this.#loop.now() - this.#acceptedMs);
      if (this.#hasDevice) this.#exports.returned(end, durationMs);
      else this.#tell(end, durationMs);
      this.#owner.finished(this);
    });
  }
  #tell(end: SessionEnd, durationMs: number): void {
    const { peer } = this.#link;
    const line = `${end.code} ${peer} after ${durationMs / 1_000} s: ${end.reason}`;
    const fields = { code: end.code, peer, durationMs };
    if (end.code === "OK" || end.code === "STOPPED") this.#log.info(fields, line);
    else this.#log.warn(fields, line);
  }
}
