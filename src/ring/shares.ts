import type { OpenError, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { deviceAddedSize } from "./device-added.ts";
import type { HostDevice } from "./host-device.ts";
import type { HostSession } from "./host-session.ts";
import { RemoveReason } from "./messages.ts";
import type { DeviceEnd, Share } from "./sides.ts";

/** A share and what has become of it. */
interface Shared {
  readonly share: Share;
  state: "free" | "opening" | "attached" | "closing";
  device: HostDevice | undefined;
  /** It was withdrawn while it was being opened. */
  withdrawn: (() => void) | undefined;
}

/** What shares ask of the host that has them. */
export interface SharesOutput {
  session(): HostSession | undefined;
  /** Devices may be opened: not before a guest has greeted, and not while it is silent. */
  isOpen(): boolean;
  /** A device was opened or closed. */
  settled(): void;
}

/** The devices that the guest of a ring is to have: each is opened when there is a guest, and closed when it has gone. */
export class Shares {
  readonly #loop: Loop;
  readonly #messageMax: number;
  readonly #output: SharesOutput;
  readonly #shares = new Map<Share, Shared>();
  /** Devices that were asked to open or to close, and have not answered. */
  #busy = 0;

  constructor(loop: Loop, messageMax: number, output: SharesOutput) {
    this.#loop = loop;
    this.#messageMax = messageMax;
    this.#output = output;
  }

  /** Some device may still be used by a session that has ended. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  add(share: Share): void {
    const shared: Shared = { share, state: "free", device: undefined, withdrawn: undefined };
    this.#shares.set(share, shared);
    this.#open(shared);
  }

  /** Takes a device back; `done` runs when it is free. */
  withdraw(share: Share, done: () => void): void {
    const shared = this.#shares.get(share);
    if (shared === undefined) {
      done();
      return;
    }
    this.#shares.delete(share);
    switch (shared.state) {
      case "free":
        done();
        break;
      case "attached":
        this.#close(shared, "withdrawn", RemoveReason.USER, done);
        break;
      default:
        shared.withdrawn = done;
    }
  }

  openAll(): void {
    for (const shared of Array.from(this.#shares.values())) this.#open(shared);
  }

  #open(shared: Shared): void {
    const session = this.#output.session();
    if (session === undefined || !this.#output.isOpen() || shared.state !== "free") return;
    shared.state = "opening";
    this.#busy++;
    const host: UsbHost = {
      complete: (urb) => shared.device!.complete(urb),
      // Without a device it is already on its way back.
      unplugged: () => shared.device?.unplugged(),
    };
    shared.share.device.open(host, this.#loop, (refused) => {
      this.#busy--;
      if (refused !== undefined) this.#drop(shared, refused);
      else this.#opened(shared, session);
      this.#output.settled();
    });
  }

  #opened(shared: Shared, session: HostSession): void {
    const { device, takesSharedData = false } = shared.share;
    if (this.#output.session() !== session || shared.withdrawn !== undefined) {
      this.#giveBack(shared, undefined);
      return;
    }
    const map = EndpointMap.of(device.descriptors, device.speed, device.configuration);
    if (map instanceof ProtocolError || deviceAddedSize(device.descriptors.length) > this.#messageMax) {
      this.#giveBack(shared, { reason: "failed", message: "its descriptors cannot be told to a guest" });
      return;
    }
    const hosted = session.announce(device, map, takesSharedData);
    if (hosted === undefined) {
      this.#giveBack(shared, { reason: "failed", message: "the guest has as many devices as there can be" });
      return;
    }
    shared.device = hosted;
    shared.state = "attached";
    hosted.trace = shared.share.attached(hosted.account.counters, hosted.id);
  }

  /** Closes a device that the guest does not get. Without `error` it stays shared. */
  #giveBack(shared: Shared, error: OpenError | undefined): void {
    shared.state = "closing";
    this.#busy++;
    shared.share.device.close(() => {
      this.#busy--;
      if (error !== undefined) this.#drop(shared, error);
      else this.#freed(shared);
      this.#output.settled();
    });
  }

  #drop(shared: Shared, error: OpenError): void {
    shared.state = "free";
    this.#shares.delete(shared.share);
    if (shared.withdrawn === undefined) shared.share.refused(error);
    else this.#freed(shared);
  }

  /** The guest or the device itself has ended it. */
  dismiss(device: HostDevice, end: DeviceEnd, reason: number): void {
    for (const shared of this.#shares.values()) {
      if (shared.device !== device) continue;
      this.#shares.delete(shared.share);
      this.#close(shared, end, reason);
      return;
    }
  }

  /** The session is over. */
  closeAll(): void {
    for (const shared of this.#shares.values()) {
      if (shared.state === "attached") this.#close(shared, "disconnected", RemoveReason.HOST_SHUTDOWN);
    }
  }

  #close(shared: Shared, end: DeviceEnd, reason: number, done?: () => void): void {
    const device = shared.device!;
    const session = this.#output.session();
    shared.state = "closing";
    shared.withdrawn = done;
    device.retire();
    this.#busy++;
    shared.share.device.close(() => {
      this.#busy--;
      shared.device = undefined;
      if (this.#output.session() === session) session?.remove(device, reason);
      shared.share.closed(end);
      this.#freed(shared);
      this.#output.settled();
    });
  }

  #freed(shared: Shared): void {
    shared.state = "free";
    shared.withdrawn?.();
    // The next guest may be there already.
    if (this.#shares.has(shared.share)) this.#open(shared);
  }
}
