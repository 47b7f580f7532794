import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import { ImportedDevice } from "../usbip/imported-device.ts";
import type { DeviceRecordValue } from "../usbip/pdu.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { endByProtocol, type SessionEnd } from "./session-end.ts";
import { StallWatch } from "./stall-watch.ts";

const PATROL_MS = 250;
/** How long a host may take nothing of what it is sent. */
const STALL_MS = 10_000;

/** What is to be sent as soon as the host has given the device. */
interface Held {
  readonly chunks: readonly Uint8Array[];
  readonly written: () => void;
}

/** A device that a host has given to us, or is about to, for as long as the link to it lives. */
export class RemoteImport {
  readonly record: DeviceRecordValue;
  readonly peer: string;
  /** Why it is over, once it is. */
  readonly ended: Promise<SessionEnd>;
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #stall: StallWatch;
  readonly #imported: ImportedDevice | ProtocolError;
  #end: SessionEnd | undefined;
  #over = false;
  #patrolling = false;
  #held: Held[] | undefined;
  #resolve!: (end: SessionEnd) => void;

  /** What is sent before `isGiven` waits for `given`. */
  constructor(record: DeviceRecordValue, link: Link, loop: Loop, isGiven = true) {
    this.record = record;
    this.peer = link.peer;
    this.#link = link;
    this.#loop = loop;
    this.#held = isGiven ? undefined : [];
    this.#stall = new StallWatch(link, STALL_MS, loop.now());
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#imported = ImportedDevice.of(record, loop, {
      write: (chunks, written) => {
        if (this.#held === undefined) this.#write(chunks, written);
        else this.#held.push({ chunks, written });
      },
      end: (error) => this.#cut(error),
    });
    if (this.#imported instanceof ImportedDevice && link.noticesSilence !== true)
      this.#imported.watchSilence();
  }

  /** The device, if what the host said of it can be. */
  get imported(): ImportedDevice | ProtocolError {
    return this.#imported;
  }

  /** The host has given it. */
  given(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { chunks, written } of held) this.#write(chunks, written);
  }

  receive(bytes: Uint8Array): void {
    if (this.#imported instanceof ImportedDevice) this.#imported.receive(bytes);
  }

  /** The link is over. */
  gone(cause: LinkError | undefined): void {
    this.#over = true;
    if (this.#imported instanceof ImportedDevice) this.#imported.disconnected();
    const reason = cause?.message ?? "the host closed the connection";
    this.#resolve(this.#end ?? { code: cause === undefined ? "UNPLUGGED" : "LINK_LOST", reason });
  }

  /** Gives the device back to its host. */
  close(end: SessionEnd): void {
    this.#end ??= end;
    this.#link.destroy();
  }

  #cut(error: ProtocolError): void {
    this.close(endByProtocol(error));
  }

  #write(chunks: readonly Uint8Array[], written: () => void): void {
    if (!this.#patrolling) this.#wake();
    this.#stall.write(chunks, written);
  }

  #wake(): void {
    this.#patrolling = true;
    this.#stall.rested(this.#loop.now());
    this.#patrol();
  }

  /** As long as the host has something to take. */
  #patrol(): void {
    this.#loop.after(PATROL_MS, () => {
      if (this.#over) return;
      if (this.#stall.isStalled(this.#loop.now())) {
        this.#cut(new ProtocolError("PEER_NOT_READING", this.#stall.reason));
      }
      this.#patrolling = this.#link.unsent > 0;
      if (this.#patrolling) this.#patrol();
    });
  }
}
