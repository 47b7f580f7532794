import type { Loop } from "../usb/loop.ts";
import { equalBytes } from "../wire/equal-bytes.ts";
import type { Channel } from "./channel.ts";
import { MAX_LISTED } from "./limits.ts";
import { EnumerationFlag, EnumerationResponse, EventHead, EventKind, MessageType } from "./messages.ts";
import { encodeInfo, type Offers } from "./offered-device.ts";

/** What a client is told of the devices that it may have: a list when it asks, and then each difference. */
export class OfferNews {
  readonly #offers: Offers;
  readonly #channel: Channel;
  readonly #loop: Loop;
  /** What a client that asked to be told of changes was told last, by bus id. */
  #told: Map<string, Uint8Array> | undefined;
  #isTellingDue = false;

  constructor(offers: Offers, channel: Channel, loop: Loop) {
    this.#offers = offers;
    this.#channel = channel;
    this.#loop = loop;
  }

  /** The client waits for changes. */
  get isFollowed(): boolean {
    return this.#told !== undefined;
  }

  list(sequence: number, flags: number): undefined {
    const infos = this.#infos();
    if ((flags & EnumerationFlag.SUBSCRIBE) !== 0) this.#told = infos;
    const head = EnumerationResponse.encode({ count: infos.size });
    this.#channel.say(MessageType.DeviceEnumeration, sequence, head, ...infos.values());
  }

  /** What is offered may have changed. */
  changed(): void {
    if (this.#told === undefined || this.#isTellingDue) return;
    this.#isTellingDue = true;
    this.#loop.soon(() => {
      this.#isTellingDue = false;
      this.#tellDifference();
    });
  }

  #infos(): Map<string, Uint8Array> {
    const infos = new Map<string, Uint8Array>();
    for (const offered of this.#offers.devices()) {
      const info = infos.size < MAX_LISTED ? encodeInfo(offered) : undefined;
      if (info !== undefined) infos.set(offered.busid, info);
    }
    return infos;
  }

  #tellDifference(): void {
    const before = this.#told;
    if (before === undefined || this.#channel.phase !== "open") return;
    const now = this.#infos();
    this.#told = now;
    for (const [busid, info] of before) if (!now.has(busid)) this.#tell(EventKind.REMOVED, info);
    for (const [busid, info] of now) {
      const known = before.get(busid);
      if (known === undefined) this.#tell(EventKind.ADDED, info);
      else if (!isSame(known, info)) this.#tell(EventKind.CHANGED, info);
    }
    this.#channel.settle();
  }

  #tell(kind: number, info: Uint8Array): void {
    this.#channel.say(MessageType.DeviceEvent, 0, EventHead.encode({ kind }), info);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && equalBytes(one, 0, other, 0, one.length);
}
