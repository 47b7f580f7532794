import { encodeHandover, REQUEST_BYTES, readRequest } from "../../links/handover.ts";
import type { Link } from "../../links/link.ts";
import type { RingHost } from "../../ring/host.ts";
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
import { CommonMemory } from "./common-memory.ts";
import { OwnMemory } from "./own-memory.ts";
import type { RingPlace, RingPlaceOutput } from "./ring-place.ts";

const NOBODY = (): void => {};

const STATUS: Readonly<Record<OpenError["reason"], OpStatus>> = {
  busy: OpStatus.ST_DEV_BUSY,
  gone: OpStatus.ST_NODEV,
  denied: OpStatus.ST_NA,
  failed: OpStatus.ST_DEV_ERR,
};

const RELEASED: SessionEnd = { code: "OK", reason: "the peer gave it back" };

/**
 * A client that has a device by shared memory: it asks for it over a link, and has it until that ends. The memory is its
 * own, handed over through the link, or that of the virtual machine whose link this is.
 */
export class ServedRing implements Conversation {
  readonly #owner: ServedClientOwner;
  readonly #loop: Loop;
  readonly #output: ConversationOutput;
  readonly #place: RingPlace;
  readonly #request = new Uint8Array(REQUEST_BYTES);
  #requested = 0;
  #phase: Conversation["phase"] = "request";
  /** What was asked for is free again, unless it is already. */
  #free = NOBODY;
  /** Why the connection ended. */
  #end: SessionEnd = KICKED;

  /** `common`: the ring of the virtual machine. */
  constructor(
    owner: ServedClientOwner,
    link: Link,
    loop: Loop,
    output: ConversationOutput,
    common?: RingHost,
  ) {
    this.#owner = owner;
    this.#loop = loop;
    this.#output = output;
    const toGuest: RingPlaceOutput = {
      write: (bytes) => output.write([bytes], NOBODY),
      end: (error) => output.end(error),
    };
    this.#place =
      common === undefined ? new OwnMemory(link, loop, toGuest) : new CommonMemory(common, toGuest);
  }

  get phase(): Conversation["phase"] {
    return this.#phase;
  }

  receive(bytes: Uint8Array): void {
    if (this.#requested === REQUEST_BYTES) {
      this.#place.heard();
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
    this.#place.stop(() => {
      this.#free();
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
    // From here on: it may take a while to open, and nobody else is to try meanwhile.
    exports.take();
    this.#free = () => {
      this.#free = NOBODY;
      giveBack(exports, found);
    };
    const failed = this.#place.give(this.#share(exports, found));
    if (failed === undefined) return;
    this.#free();
    this.#refuse(found.busid, "failed", failed.message);
  }

  #share(exports: SessionExports, found: ExportedDevice): Share {
    const sinceMs = this.#loop.now();
    let entry: SessionEntry | undefined;
    let takenBack: SessionEnd | undefined;
    const device = deviceOf(found);
    return {
      device,
      takesSharedData: device.takesSharedData ?? false,
      attached: (counters) => {
        this.#phase = "devices";
        exports.imported(counters);
        const takeBack = (end: SessionEnd): void => {
          takenBack = end;
          this.#place.withdraw();
        };
        entry = this.#owner.attached(found, counters, takeBack, () => this.#place.figures);
        return this.#owner.traced(entry);
      },
      refused: (error) => {
        this.#free();
        // Who has memory of its own takes this for a wake-up.
        this.#refuse(found.busid, error.reason, error.message);
      },
      closed: (cause) => {
        const end = this.#endBy(cause, takenBack);
        if (entry !== undefined) exports.returned(end, Math.round(this.#loop.now() - sinceMs));
        this.#free();
        entry?.ended(end);
        // One that greets again in the same memory has nothing to get.
        if (cause === "disconnected") this.#place.withdraw();
        this.#closes();
      },
    };
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
