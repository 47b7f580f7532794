import type { RingAddress } from "../../links/address.ts";
import { dial } from "../../links/dial.ts";
import { LINK_LIMITS } from "../../links/link.ts";
import { dialRing, RingRefusal } from "../../links/ring.ts";
import type { Loop } from "../../usb/loop.ts";
import type { ListedDevice } from "../../usbip/device-list.ts";
import { HostConversation, Refused, refusal } from "../host-conversation.ts";
import type { ReadyImport, RemoteHost } from "../remote-host.ts";
import { RingRemote } from "./ring-remote.ts";

/** A host of this machine that hands over memory: its list comes over USB/IP, by the same socket, and its devices through memory. */
export class RingRemoteHost implements RemoteHost {
  readonly #address: RingAddress;
  readonly #loop: Loop;
  #conversation: HostConversation | undefined;
  #isClosed = false;

  constructor(address: RingAddress, loop: Loop) {
    this.#address = address;
    this.#loop = loop;
  }

  async list(): Promise<readonly ListedDevice[]> {
    const conversation = new HostConversation(await dial(this.#address), this.#loop);
    this.#conversation = conversation;
    if (this.#isClosed) conversation.close();
    try {
      return await conversation.list();
    } finally {
      conversation.close();
    }
  }

  async import(busid: string): Promise<ReadyImport> {
    const ring = await dialRing(this.#address, busid, LINK_LIMITS);
    if (ring instanceof RingRefusal) {
      throw new Refused(refusal(busid, ring.status, `ring:${this.#address.path}`));
    }
    return RingRemote.open(busid, ring, this.#loop);
  }

  close(): void {
    this.#isClosed = true;
    this.#conversation?.close();
  }
}
