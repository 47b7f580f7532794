import type { Link } from "../links/link.ts";
import type { LinkError } from "../links/link-error.ts";
import type { Loop } from "../usb/loop.ts";
import { ImportedDevice } from "../usbip/imported-device.ts";
import type { DeviceRecordValue } from "../usbip/pdu.ts";
import type { ProtocolError } from "../wire/protocol-error.ts";
import { endByProtocol, type SessionEnd } from "./session-end.ts";
import { StallPatrol } from "./stall-watch.ts";

/** A device that a host has given to us, for as long as the link to it lives. */
export class RemoteImport {
  readonly record: DeviceRecordValue;
  readonly peer: string;
  /** Why it is over, once it is. */
  readonly ended: Promise<SessionEnd>;
  readonly #link: Link;
  readonly #patrol: StallPatrol;
  readonly #imported: ImportedDevice | ProtocolError;
  #end: SessionEnd | undefined;
  #resolve!: (end: SessionEnd) => void;

  constructor(record: DeviceRecordValue, link: Link, loop: Loop) {
    this.record = record;
    this.peer = link.peer;
    this.#link = link;
    this.#patrol = new StallPatrol(link, loop, (error) => this.#cut(error));
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#imported = ImportedDevice.of(record, loop, {
      write: (chunks, written) => this.#patrol.write(chunks, written),
      end: (error) => this.#cut(error),
    });
  }

  /** The device, if what the host said of it can be. */
  get imported(): ImportedDevice | ProtocolError {
    return this.#imported;
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
