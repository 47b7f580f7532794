import type { LinkError } from "../../links/link-error.ts";
import type { SystemError } from "../../linux/system-error.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import type { Share } from "../../ring/sides.ts";
import type { ProtocolError } from "../../wire/protocol-error.ts";

/** Memory by which one guest gets one device. */
export interface RingPlace {
  /** Of the session that there is. */
  readonly figures: RingFigures | undefined;
  /** Begins to give a device, and tells the guest where it finds it; nothing is done if that cannot be. */
  give(share: Share): SystemError | LinkError | undefined;
  /** The guest has written to its connection. */
  heard(): void;
  /** Takes the device back. */
  withdraw(): void;
  /** The connection is gone; `done` runs when the device is free. */
  stop(done: () => void): void;
}

/** What such memory asks of the conversation that it belongs to. */
export interface RingPlaceOutput {
  write(bytes: Uint8Array): void;
  end(error: ProtocolError): void;
}
