import { printAddress } from "../links/address.ts";
import { dial } from "../links/dial.ts";
import type { LinkOptions } from "../links/listen.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { Loop } from "../usb/loop.ts";
import { HostConversation } from "./host-conversation.ts";
import type { Place } from "./place.ts";
import type { RemoteHost } from "./remote-host.ts";
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

  /** `trust`: whom to trust at `tls:`. */
  constructor(loop: Loop, trust?: TlsTrust) {
    this.#loop = loop;
    this.#options = trust === undefined ? {} : { trust };
  }

  async open(place: Place): Promise<RemoteHost> {
    if (place.kind === "ring" && place.protocol !== "wslusb") return new RingRemoteHost(place, this.#loop);
    if (place.protocol !== "wslusb")
      return new HostConversation(await dial(place, this.#options), this.#loop);
    const connection = await this.connection(place);
    // Whoever held it may have let go of it in this very turn.
    return connection.isOver ? this.open(place) : new SharedHost(connection);
  }

  /** The one over WSL-USB. It closes soon if nobody holds it. */
  async connection(place: Place): Promise<HostConnection> {
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

  async #connect(place: Place): Promise<HostConnection> {
    const connection = new HostConnection(await dial(place, this.#options), this.#loop);
    await connection.greet();
    return connection;
  }
}
