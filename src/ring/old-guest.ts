import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel } from "./channel.ts";
import { type Layout, RING_VERSION, RingHeader } from "./layout.ts";
import {
  BODY,
  MessageHeader,
  MessageType,
  Negotiate,
  NegotiateResponse,
  VERSION_REFUSED,
} from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";
import { RingStats } from "./ring-stats.ts";

const OLD_VERSION = 0x0100;
const MESSAGES_PER_POLL = 64;

/** A guest of version 1.0: it has no epoch and begins with NEGOTIATE. It is refused in words that it understands. */
export class OldGuest {
  readonly #channel: Channel;
  #isRefused = false;
  #isBroken = false;

  constructor(memory: RingMemory, layout: Layout, wake: () => void) {
    this.#channel = new Channel(memory, layout, "host", new RingStats(), wake);
  }

  /** Somebody has written to a ring without a session. */
  static isThere(memory: RingMemory, { g2h }: Layout): boolean {
    const produced = memory.load(g2h.offset + RingHeader.producer_index);
    return produced !== memory.load(g2h.offset + RingHeader.consumer_index);
  }

  begin(): void {
    this.#channel.clear();
  }

  /** There is more of it, and it makes sense. */
  get hasSaid(): boolean {
    return !this.#isBroken && !this.#channel.incoming.isEmpty;
  }

  /** Takes what came; an error when it was refused just now. */
  poll(): ProtocolError | undefined {
    const { incoming } = this.#channel;
    let refused: ProtocolError | undefined;
    for (let count = 0; count < MESSAGES_PER_POLL; count++) {
      const taken = incoming.next();
      if (taken !== true) {
        this.#isBroken = taken !== false;
        break;
      }
      if (this.#isRefused || incoming.length < BODY + Negotiate.size) continue;
      if (MessageHeader.read.message_type(incoming.view, 0) !== MessageType.NEGOTIATE) continue;
      if (MessageHeader.read.protocol_version(incoming.view, 0) !== OLD_VERSION) continue;
      this.#isRefused = true;
      this.#refuse(MessageHeader.read.transaction_id(incoming.view, 0));
      refused = new ProtocolError(
        "BAD_VERSION",
        "the guest speaks version 1.0 of the ring, this host 1.1; update the guest",
      );
    }
    this.#isBroken ||= this.#channel.flush() !== undefined;
    return refused;
  }

  #refuse(transaction: number): void {
    const body = NegotiateResponse.encode({
      status: VERSION_REFUSED,
      negotiated_version: RING_VERSION,
      pad: 0,
      capabilities: 0,
      max_pending_urbs: 0,
      max_devices: 0,
      guest_epoch: 0,
      host_epoch: 0,
      reserved: 0,
    });
    this.#channel.say(MessageType.NEGOTIATE_RESP, transaction, 0, body, OLD_VERSION);
  }
}
