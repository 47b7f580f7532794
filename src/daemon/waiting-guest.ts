import { printAddress } from "../links/address.ts";
import type { Link } from "../links/link.ts";
import { listen } from "../links/listen.ts";
import type { Listener } from "../links/listener.ts";
import type { TlsTrust } from "../links/trust.ts";
import type { Loop } from "../usb/loop.ts";
import type { PushedDevice } from "../usbip/event-pdu.ts";
import type { DeviceChoice } from "./device-choice.ts";
import { matching } from "./device-choice.ts";
import type { EventLog } from "./event-log.ts";
import { failureKind } from "./failure.ts";
import { HostConversation, Refused } from "./host-conversation.ts";
import type { Log } from "./log.ts";
import { OtherDevices } from "./other-devices.ts";
import { mayPlug, type Place } from "./place.ts";
import type { ReadyImport } from "./remote-host.ts";
import { clientFacts } from "./rules/facts.ts";
import { ANOTHER, serialNumberOf } from "./serial-question.ts";
import { TurnedAwayLog } from "./turned-away.ts";
import { BroughtHost } from "./wslusb/brought-host.ts";

/** Conversations that have not led to a device yet; a host needs one. */
const CONVERSATIONS = 64;

/** What a waiting guest does with a device that a host brings. */
export type Welcome = (ready: ReadyImport, peer: string) => Promise<void>;

/**
 * Waits for hosts that dial in and asks each for its devices. Over USB/IP it imports one over each connection, over WSL-USB
 * all that are wanted, now and later.
 */
export class WaitingGuest {
  readonly address: string;
  readonly #place: Place;
  readonly #choice: DeviceChoice | undefined;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #events: EventLog;
  readonly #welcome: Welcome;
  readonly #unwanted = new Set<string>();
  /** Devices that have another serial number than the one that is waited for. */
  readonly #others: OtherDevices;
  /** Devices that were brought and are still here. */
  #here = 0;
  readonly #conversations = new Set<{ close(): void }>();
  #listener: Listener | undefined;

  private constructor(
    place: Place,
    choice: DeviceChoice | undefined,
    loop: Loop,
    log: Log,
    events: EventLog,
    welcome: Welcome,
  ) {
    this.address = printAddress(place);
    this.#place = place;
    this.#choice = choice;
    this.#loop = loop;
    this.#log = log;
    this.#events = events;
    this.#welcome = welcome;
    this.#others = new OtherDevices(loop);
  }

  /** Rejects with a LinkError. Without a choice every device is welcome. */
  static async listen(
    place: Place,
    choice: DeviceChoice | undefined,
    loop: Loop,
    log: Log,
    events: EventLog,
    welcome: Welcome,
    trust?: TlsTrust,
  ): Promise<WaitingGuest> {
    const guest = new WaitingGuest(place, choice, loop, log, events, welcome);
    const turnedAway = new TurnedAwayLog(
      log,
      (code, reason) => events.publish("error", { code, reason }),
      () => loop.now(),
    );
    const accept = (link: Link): Promise<void> =>
      place.protocol === "wslusb" ? guest.#acceptAll(link) : guest.#accept(link);
    guest.#listener = await listen(place, (link) => void accept(link), {
      ...(trust !== undefined && { trust }),
      turnedAway: (error) => turnedAway.hear(error),
    });
    return guest;
  }

  /** Where it listens; a port 0 has become the one that the system chose. */
  get listening(): string {
    if (this.#listener === undefined) return this.address;
    return printAddress({ ...this.#listener.address, protocol: this.#place.protocol ?? "usbip" });
  }

  /** Does not take this device again; true if that was all it waited for. */
  refuse(busid: string): boolean {
    this.#unwanted.add(busid);
    return this.#choice !== undefined;
  }

  close(): void {
    this.#listener?.close();
    for (const conversation of this.#conversations) conversation.close();
  }

  /** Sends a host away for which there is no room, or of which no device is taken here. */
  #admits(link: Link): boolean {
    if (this.#conversations.size >= CONVERSATIONS) {
      link.destroy();
      return false;
    }
    if (mayPlug(this.#place, clientFacts(link, false))) return true;
    link.destroy();
    this.#notAttached(
      link.peer,
      `devices are taken from the host of this machine here. To take this one's, wait at vsock:CID:PORT with its context id.`,
    );
    return false;
  }

  async #accept(link: Link): Promise<void> {
    if (!this.#admits(link)) return;
    const conversation = new HostConversation(link, this.#loop);
    this.#conversations.add(conversation);
    try {
      const ready = await this.#choose(conversation, link.peer);
      if (ready === undefined) {
        conversation.close();
        return;
      }
      this.#here++;
      void ready.remote.ended.then(() => this.#here--);
      await this.#welcome(ready, link.peer);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#notAttached(link.peer, (error as Error).message);
    } finally {
      this.#conversations.delete(conversation);
    }
  }

  /** The same over WSL-USB. */
  async #acceptAll(link: Link): Promise<void> {
    if (!this.#admits(link)) return;
    const { peer } = link;
    const host: BroughtHost = new BroughtHost(link, this.#loop, {
      isWanted: (device) => this.#wants(device),
      welcome: async (ready) => {
        const choice = this.#choice;
        if (choice?.by === "serial" && (await serialNumberOf(ready)) !== choice.serial) {
          this.#others.add(peer, ready.remote.record.busid);
          ready.remote.close(ANOTHER);
          return;
        }
        this.#here++;
        void ready.remote.ended.then(() => this.#here--);
        await this.#welcome(ready, peer);
      },
      failed: (reason) => this.#notAttached(peer, reason),
    });
    this.#conversations.add(host);
    try {
      await host.run();
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#notAttached(peer, (error as Error).message);
    } finally {
      this.#conversations.delete(host);
    }
  }

  #wants(device: PushedDevice): boolean {
    const choice = this.#choice;
    if (this.#unwanted.has(device.busid) || matching([device], choice).length === 0) return false;
    if (choice?.by !== "serial") return true;
    const isKnownOther = device.serial !== undefined && device.serial !== choice.serial;
    return this.#here === 0 && !isKnownOther;
  }

  #notAttached(peer: string, reason: string): void {
    this.#log.warn({ code: "NOT_ATTACHED", peer }, `NOT_ATTACHED ${peer} dialled in: ${reason}`);
    this.#events.publish("error", { code: "NOT_ATTACHED", peer, reason });
  }

  /** Another conversation with the same host may be faster: then the next device is tried. */
  async #choose(conversation: HostConversation, peer: string): Promise<ReadyImport | undefined> {
    const choice = this.#choice;
    const devices = await conversation.list();
    // There is one with this serial number: once it is here, no other is asked.
    if (choice?.by === "serial" && this.#here > 0) return undefined;
    for (const { busid } of matching(devices, choice)) {
      if (this.#unwanted.has(busid)) continue;
      if (choice?.by === "serial" && this.#others.has(peer, busid)) continue;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one import after the other on one connection
        const ready = await conversation.import(busid);
        // oxlint-disable-next-line no-await-in-loop -- the connection is spent either way
        if (choice?.by !== "serial" || (await serialNumberOf(ready)) === choice.serial) return ready;
        this.#others.add(peer, busid);
        ready.remote.close(ANOTHER);
        return undefined;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
    return undefined;
  }
}
