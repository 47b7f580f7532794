import { type PciRingAddress, printAddress } from "../links/address.ts";
import { dial } from "../links/dial.ts";
import { LINK_LIMITS, type Link } from "../links/link.ts";
import type { LinkOptions } from "../links/listen.ts";
import { dialPciRing } from "../links/pci-ring.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { Loop } from "../usb/loop.ts";
import { HostConversation } from "./host-conversation.ts";
import type { RemotePlace } from "./place.ts";
import type { RemoteHost } from "./remote-host.ts";
import { PciRemoteHost } from "./ring/pci-remote-host.ts";
import { PciRing } from "./ring/pci-ring.ts";
import { RingRemoteHost } from "./ring/ring-remote-host.ts";
import { HostConnection } from "./wslusb/host-connection.ts";
import { SharedHost } from "./wslusb/shared-host.ts";

/**
 * The way to hosts: over USB/IP each conversation has a connection of its own, because stock hosts answer one request
 * on each; over WSL-USB all conversations with a host share one. Promises reject with Failed or a LinkError.
 */
export class RemoteHosts {
  readonly #loop: Loop;
  readonly #options: LinkOptions;
  /** By the address of the host. */
  readonly #connections = new Map<string, Promise<HostConnection>>();
  /** By the address of the memory. */
  readonly #rings = new Map<string, Promise<PciRing>>();

  /** `trust`: whom to trust at `tls:`. */
  constructor(loop: Loop, trust?: TlsTrust) {
    this.#loop = loop;
    this.#options = trust === undefined ? {} : { trust };
  }

  async open(place: RemotePlace): Promise<RemoteHost> {
    if (place.protocol !== "wslusb") {
      if (place.kind === "ring") return new RingRemoteHost(place, this.#loop);
      return place.kind === "ring-pci"
        ? new PciRemoteHost(await this.#ring(place), this.#loop)
        : new HostConversation(await dial(place, this.#options), this.#loop);
    }
    const connection = await this.connection(place);
    // Whoever held it may have let go of it in this very turn.
    return connection.isOver ? this.open(place) : new SharedHost(connection);
  }

  /** Connects. */
  async dial(place: RemotePlace): Promise<Link> {
    return place.kind === "ring-pci" ? (await this.#ring(place)).dial() : dial(place, this.#options);
  }

  /** The one over WSL-USB. It closes soon if nobody holds it. */
  async connection(place: RemotePlace): Promise<HostConnection> {
    const address = printAddress(place);
    const known = this.#connections.get(address);
    if (known !== undefined) {
      const connection = await known.catch(() => undefined);
      if (connection?.isOver === false) return connection;
      // Somebody else may have made another one meanwhile.
      if (this.#connections.get(address) !== known) return this.connection(place);
    }
    const made = this.#connect(place);
    this.#connections.set(address, made);
    const forget = (): void => {
      if (this.#connections.get(address) === made) this.#connections.delete(address);
    };
    void made.then((connection) => connection.whenOver(forget), forget);
    return made;
  }

  async #connect(place: RemotePlace): Promise<HostConnection> {
    const connection = new HostConnection(await this.dial(place), this.#loop);
    await connection.greet();
    return connection;
  }

  /** One process has the memory at a time, and all that it does there is done by one guest. */
  async #ring(address: PciRingAddress): Promise<PciRing> {
    const key = printAddress(address);
    const before = this.#rings.get(key);
    const known = await before?.catch(() => undefined);
    if (known?.isOver === false) return known;
    // Somebody else may have opened it again meanwhile.
    if (before !== this.#rings.get(key)) return this.#ring(address);
    const made = dialPciRing(address, LINK_LIMITS).then((link) => PciRing.open(link, this.#loop));
    this.#rings.set(key, made);
    const forget = (): void => {
      if (this.#rings.get(key) === made) this.#rings.delete(key);
    };
    void made.then((ring) => ring.whenOver(forget), forget);
    return made;
  }
}
