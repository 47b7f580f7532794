import { encodeHandover, REQUEST_BYTES, readRequest } from "../../links/handover.ts";
import type { Link } from "../../links/link.ts";
import { handOver } from "../../links/ring.ts";
import { Arena } from "../../linux/arena.ts";
import { RingHost } from "../../ring/host.ts";
import { type Layout, planLayout } from "../../ring/layout.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import type { DeviceEnd, Share } from "../../ring/sides.ts";
import type { OpenError } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import type { ExportedDevice } from "../../usbip/exports.ts";
import { OpStatus } from "../../usbip/pdu.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import type { Conversation, ConversationOutput } from "../conversation.ts";
import type { SessionExports } from "../session.ts";
import { endBySession, KICKED, type SessionEnd } from "../session-end.ts";
import type { SessionEntry } from "../session-registry.ts";
import { deviceOf, giveBack, REFUSALS, type ServedClientOwner } from "../wslusb/served-client.ts";
import { RingPump } from "./ring-pump.ts";

const BELL = [Uint8Array.of(1)];
const NOBODY = (): void => {};

const STATUS: Readonly<Record<OpenError["reason"], OpStatus>> = {
  busy: OpStatus.ST_DEV_BUSY,
  gone: OpStatus.ST_NODEV,
  denied: OpStatus.ST_NA,
  failed: OpStatus.ST_DEV_ERR,
};

const RELEASED: SessionEnd = { code: "OK", reason: "the peer gave it back" };

/** What there is of a device from its request on. */
interface Given {
  readonly share: Share;
  /** The device is free again, unless it is already. */
  free(): void;
  readonly host: RingHost;
  readonly pump: RingPump;
  memory: Arena | undefined;
}

/**
 * A client that has a device by shared memory: its request comes over a unix socket, the memory goes there, and then
 * nothing but wake-ups. The end of the socket is the end of the session.
 */
export class ServedRing implements Conversation {
  readonly #owner: ServedClientOwner;
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #output: ConversationOutput;
  readonly #request = new Uint8Array(REQUEST_BYTES);
  #requested = 0;
  #phase: Conversation["phase"] = "request";
  #given: Given | undefined;
  /** Why the connection ended. */
  #end: SessionEnd = KICKED;

  constructor(owner: ServedClientOwner, link: Link, loop: Loop, output: ConversationOutput) {
    this.#owner = owner;
    this.#link = link;
    this.#loop = loop;
    this.#output = output;
  }

  get phase(): Conversation["phase"] {
    return this.#phase;
  }

  receive(bytes: Uint8Array): void {
    if (this.#requested === REQUEST_BYTES) {
      // What comes is not looked at: it says that there is something in the ring.
      this.#given?.pump.heard();
      return;
    }
    const part = bytes.subarray(0, REQUEST_BYTES - this.#requested);
    this.#request.set(part, this.#requested);
    this.#requested += part.length;
    if (this.#requested < REQUEST_BYTES) return;
    const busid = readRequest(this.#request);
    if (busid instanceof ProtocolError) this.#output.end(busid);
    else this.#ask(busid);
  }

  disconnected(closed: () => void, end: SessionEnd): void {
    this.#phase = "over";
    this.#end = end;
    const given = this.#given;
    this.#given = undefined;
    if (given === undefined) {
      closed();
      return;
    }
    given.pump.stop();
    given.host.stop(() => {
      given.free();
      given.memory?.free();
      closed();
    });
  }

  #ask(busid: string): void {
    const exports = this.#owner.admit();
    const found = exports.find(busid);
    if (found === undefined) this.#refuse(busid, "gone", "no device has this bus id");
    else if ("denied" in found) this.#refuse(busid, "denied", found.denied);
    else if (found.attached) this.#refuse(busid, "busy", `${busid} is in use`);
    else this.#give(exports, found);
  }

  #give(exports: SessionExports, found: ExportedDevice): void {
    const layout = planLayout() as Layout;
    let given: Given | undefined;
    const memory = handOver(this.#link, layout.total, ({ bytes }) => {
      given = this.#engine(exports, found, new RingMemory(bytes.buffer), layout);
      given.host.start();
      given.host.share(given.share);
    });
    if (memory instanceof Arena) {
      given!.memory = memory;
      this.#given = given;
      return;
    }
    given?.pump.stop();
    given?.host.stop(NOBODY);
    given?.free();
    this.#refuse(found.busid, "failed", memory.message);
  }

  #engine(exports: SessionExports, found: ExportedDevice, memory: RingMemory, layout: Layout): Given {
    // From here on: it may take a while to open, and nobody else is to try meanwhile.
    exports.take();
    let isTaken = true;
    const free = (): void => {
      if (isTaken) giveBack(exports, found);
      isTaken = false;
    };
    const host = new RingHost(memory, this.#loop, layout, {
      // The guest that gets memory looks at it without being told; and a byte that has not left yet is heard after this.
      wake: () => {
        if (this.#given !== undefined && this.#link.unsent === 0) this.#output.write(BELL, NOBODY);
      },
      sent: () => this.#given?.pump.sent(),
      began: NOBODY,
      ended: (error) => {
        if (error !== undefined) this.#output.end(error);
      },
    });
    const share = this.#share(exports, found, host, free);
    return { share, free, host, pump: new RingPump(host, this.#loop), memory: undefined };
  }

  #share(exports: SessionExports, found: ExportedDevice, host: RingHost, free: () => void): Share {
    const sinceMs = this.#loop.now();
    let entry: SessionEntry | undefined;
    let takenBack: SessionEnd | undefined;
    const takeBack = (end: SessionEnd): void => {
      takenBack = end;
      host.withdraw(share, NOBODY);
    };
    const share: Share = {
      device: deviceOf(found),
      attached: (counters) => {
        this.#phase = "devices";
        exports.imported(counters);
        entry = this.#owner.attached(found, counters, takeBack, () => host.figures);
        return this.#owner.traced(entry);
      },
      refused: (error) => {
        free();
        this.#owner.refused(found.busid, { code: REFUSALS[error.reason], message: error.message });
        this.#closes();
      },
      closed: (cause) => {
        const end = this.#endBy(cause, takenBack);
        if (entry !== undefined) exports.returned(end, Math.round(this.#loop.now() - sinceMs));
        free();
        entry?.ended(end);
        // One that greets again in the same memory has nothing to get.
        if (cause === "disconnected") host.withdraw(share, NOBODY);
        this.#closes();
      },
    };
    return share;
  }

  #endBy(cause: DeviceEnd, takenBack: SessionEnd | undefined): SessionEnd {
    switch (cause) {
      case "released":
        return RELEASED;
      case "unplugged":
        return endBySession("unplugged");
      case "withdrawn":
        return takenBack ?? KICKED;
      case "disconnected":
        return this.#end;
    }
  }

  /** The guest has no use for the connection any more, and is given time to see that. */
  #closes(): void {
    if (this.#phase === "over") return;
    this.#phase = "another";
    this.#output.restless();
  }

  #refuse(busid: string, reason: OpenError["reason"], message: string): void {
    this.#owner.refused(busid, { code: REFUSALS[reason], message });
    this.#output.write([encodeHandover(0, STATUS[reason])], NOBODY);
    this.#closes();
  }
}
