import { ProtocolError } from "../wire/protocol-error.ts";
import { MAX_LISTED } from "./limits.ts";
import { LISTED_MAX, type ListedDevice, listedSize, readList, readListed } from "./listed-device.ts";
import { WholeMessage } from "./message-reader.ts";
import { EventHead, EventKind } from "./messages.ts";

/** The devices that a host has told of: how many it may have told of at a time is bounded. */
export class HeardDevices {
  readonly #changed: (kind: EventKind, device: ListedDevice) => void;
  #names = new Set<string>();

  constructor(changed: (kind: EventKind, device: ListedDevice) => void) {
    this.#changed = changed;
  }

  /** The answer to a DeviceEnumeration. */
  readList(answer: Uint8Array): readonly ListedDevice[] | ProtocolError {
    const devices = readList(answer);
    if (!(devices instanceof ProtocolError)) {
      this.#names = new Set(devices.map(({ instance_id }) => instance_id));
    }
    return devices;
  }

  /** A DeviceEvent comes. */
  event(): WholeMessage {
    return new WholeMessage("DeviceEvent", EventHead.size, EventHead.size + LISTED_MAX, (payload) =>
      this.#readEvent(payload),
    );
  }

  #readEvent(payload: Uint8Array): ProtocolError | undefined {
    const kind = EventHead.kind(payload, 0);
    const device = readListed(payload, EventHead.size);
    if (device instanceof ProtocolError) return device;
    if (EventHead.size + listedSize(device) !== payload.length) {
      return new ProtocolError("BAD_LENGTH", `a DeviceEvent has ${payload.length} bytes`);
    }
    if (kind === EventKind.REMOVED) this.#names.delete(device.instance_id);
    else this.#names.add(device.instance_id);
    if (this.#names.size > MAX_LISTED) {
      return new ProtocolError("FLOOD", `the host tells of more than ${MAX_LISTED} devices`);
    }
    // A later version may tell of more.
    if (kind === EventKind.ADDED || kind === EventKind.REMOVED || kind === EventKind.CHANGED) {
      this.#changed(kind, device);
    }
    return undefined;
  }
}
