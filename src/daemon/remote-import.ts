import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import { ImportedDevice } from "../usbip/imported-device.ts";
import type { DeviceRecordValue } from "../usbip/pdu.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { endByProtocol, type SessionEnd } from "./session-end.ts";
import { StallPatrol } from "./stall-watch.ts";

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
  readonly #patrol: StallPatrol;
  readonly #imported: ImportedDevice | ProtocolError;
  #end: SessionEnd | undefined;
  #held: Held[] | undefined;
  #resolve!: (end: SessionEnd) => void;

  /** What is sent before `isGiven` waits for `given`. */
  constructor(record: DeviceRecordValue, link: Link, loop: Loop, isGiven = true) {
    this.record = record;
    this.peer = link.peer;
    this.#link = link;
    this.#held = isGiven ? undefined : [];
    this.#patrol = new StallPatrol(link, loop, (error) => this.#cut(error));
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#imported = ImportedDevice.of(record, loop, {
      write: (chunks, written) => {
        if (this.#held === undefined) this.#patrol.write(chunks, written);
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
    for (const { chunks, written } of held) this.#patrol.write(chunks, written);
  }

  receive(bytes: Uint8Array): void {
    if (this.#imported instanceof ImportedDevice) this.#imported.receive(bytes);
  }

  /** The link is over. */
  gone(cause: LinkError | undefined): void {
    this.#patrol.end();
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
}
