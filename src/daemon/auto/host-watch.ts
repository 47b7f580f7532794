import { printAddress } from "../../links/address.ts";
import type { Link } from "../../links/link.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { DeviceEventsRequest, type HostMessage } from "../../usbip/device-events.ts";
import { BackOff } from "../back-off.ts";
import { failureKind } from "../failure.ts";
import { HostConversation } from "../host-conversation.ts";
import type { Log } from "../log.ts";
import type { RemotePlace } from "../place.ts";
import type { RemoteHost } from "../remote-host.ts";
import type { RemoteHosts } from "../remote-hosts.ts";
import { HostDevices } from "./host-devices.ts";

/** A host that answers nothing for so long is none that pushes, or dead. */
const ANSWER_MS = 10_000;
/** How many times its own longest silence a host may be silent. */
const SILENCES = 2.5;
/** A host that was polled is asked for events again: it may have become another one. */
const ASK_AGAIN_MS = 300_000;
/** A conversation that lasted for so long was one: after it the host is dialled at once. */
const LASTING_MS = 2_000;

/** How the devices of a host are known. */
export type Watching =
  /** It was not reached yet. */
  | "asking"
  /** It tells what changes. */
  | "pushed"
  /** It does not, as stock servers: its list is asked for from time to time. */
  | "polled"
  | "unreachable";

/** Why a conversation about events is over. `answered`: the host had spoken of events. */
interface Ending {
  readonly answered: boolean;
  readonly reason: string;
}

/** Follows the devices of one host for all who wish for some of them. */
export class HostWatch {
  readonly address: string;
  readonly place: RemotePlace;
  readonly devices: HostDevices;
  readonly #hosts: RemoteHosts;
  readonly #loop: Loop;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #isWanted: () => boolean;
  readonly #waits: BackOff;
  #watching: Watching = "asking";
  /** Why it is unreachable. */
  #reason = "";
  #isStock = false;
  #isStockTold = false;
  #askAgainMs = 0;
  #stopped = false;
  #close: (() => void) | undefined;
  #wake: (() => void) | undefined;

  /**
   * `changed` runs whenever devices or the way of watching are others; `isWanted` tells whether anybody waits for a
   * device: if not, a host that has to be polled is left alone.
   */
  constructor(
    place: RemotePlace,
    hosts: RemoteHosts,
    loop: Loop,
    log: Log,
    changed: () => void,
    isWanted: () => boolean,
    random?: () => number,
  ) {
    this.place = place;
    this.#hosts = hosts;
    this.address = printAddress(place);
    this.devices = new HostDevices(() => loop.now());
    this.#loop = loop;
    this.#log = log;
    this.#changed = changed;
    this.#isWanted = isWanted;
    this.#waits = new BackOff(random);
  }

  /** All conversations with the host have one connection. */
  get isShared(): boolean {
    return this.place.protocol === "wslusb";
  }

  /** A conversation with the host, to take a device. Rejects with Failed or a LinkError. */
  open(): Promise<RemoteHost> {
    return this.#hosts.open(this.place);
  }

  get watching(): Watching {
    return this.#watching;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Follows the host until `stop`. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      // oxlint-disable-next-line no-await-in-loop -- one conversation after the other
      const hasLasted = await this.#look();
      if (hasLasted) this.#waits.reset();
      // oxlint-disable-next-line no-await-in-loop
      if (!this.#stopped) await this.#pause(hasLasted ? 0 : this.#waits.nextMs());
    }
  }

  /** A connection to the host; rejects with a LinkError. */
  dial(): Promise<Link> {
    return this.#hosts.dial(this.place);
  }

  stop(): void {
    this.#stopped = true;
    this.#close?.();
    this.#wake?.();
  }

  /** A device was lost, or somebody begins to wait: a host that is polled or dialled is looked at soon. */
  hurry(): void {
    if (this.#watching === "pushed") return;
    // What was listed before the device was taken says nothing of now.
    this.devices.clear();
    this.#waits.reset();
    this.#wake?.();
  }

  /** Tells whether it pushed events for a while. */
  async #look(): Promise<boolean> {
    const nowMs = this.#loop.now();
    if (this.isShared) return this.#follow(nowMs);
    if (this.#isStock && nowMs < this.#askAgainMs) {
      if (this.#isWanted()) await this.#poll();
      return false;
    }
    this.#askAgainMs = nowMs + ASK_AGAIN_MS;
    const link = await this.#dial();
    if (link === undefined) return false;
    const { answered, reason } = await this.#hear(link);
    if (this.#stopped) return false;
    if (answered) {
      this.#isStock = false;
      this.#isStockTold = false;
      this.#unreachable(reason);
      return this.#loop.now() - nowMs >= LASTING_MS;
    }
    if (!this.#isStockTold) {
      this.#isStockTold = true;
      this.#log.warn(
        { code: "EVENTS_NOT_PUSHED", peer: this.address },
        `EVENTS_NOT_PUSHED ${this.address} tells nothing of its devices by itself, as a stock USB/IP server (${reason}): ` +
          "its list is asked for every quarter of a second at first, then every ten seconds",
      );
    }
    this.#isStock = true;
    if (this.#isWanted()) await this.#poll();
    return false;
  }

  /** A host of WSL-USB pushes over the connection that its devices have. */
  async #follow(sinceMs: number): Promise<boolean> {
    let hasFollowed = false;
    try {
      const connection = await this.#hosts.connection(this.place);
      const reason = await new Promise<string>((ended, failed) => {
        this.devices.clear();
        const told = (): void => {
          // Before the list is whole it is a part.
          if (this.#watching === "pushed") this.#changed();
        };
        const following = connection.follow({
          put: (device) => {
            this.devices.put(device);
            told();
          },
          remove: (busid) => {
            this.devices.remove(busid);
            told();
          },
          ended,
        });
        following.then((stop) => {
          this.#close = () => {
            stop();
            ended("it is not watched any more");
          };
          if (this.#stopped) this.#close();
          hasFollowed = true;
          this.#become("pushed", "");
          this.#changed();
        }, failed);
      });
      this.#close = undefined;
      if (!this.#stopped) this.#unreachable(reason);
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      if (!this.#stopped) this.#unreachable((error as Error).message);
    }
    return hasFollowed && this.#loop.now() - sinceMs >= LASTING_MS;
  }

  async #dial(): Promise<Link | undefined> {
    try {
      const link = await this.dial();
      if (!this.#stopped) return link;
      link.destroy();
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      // Whatever comes back there may be another host.
      this.#isStock = false;
      if (!this.#stopped) this.#unreachable((error as Error).message);
    }
    return undefined;
  }

  #hear(link: Link): Promise<Ending> {
    return new Promise((resolve) => {
      let answered = false;
      let isOver = false;
      let silence: Cancellable | undefined;
      const end = (reason: string): void => {
        if (isOver) return;
        isOver = true;
        silence?.cancel();
        request.close();
        link.destroy();
        this.#close = undefined;
        resolve({ answered, reason });
      };
      const limit = (ms: number): void => {
        silence?.cancel();
        silence = this.#loop.after(ms, () => end(`it was silent for ${ms / 1_000} s`));
      };
      let silenceMs = ANSWER_MS;
      const request = new DeviceEventsRequest((message) => {
        if (message.kind === "accepted") {
          answered = true;
          silenceMs = message.aliveSeconds * 1_000 * SILENCES;
          this.devices.clear();
        }
        if (message.kind === "failed") end(message.error.toString());
        else if (message.kind === "refused") end(`it refuses with status ${message.status}`);
        else this.#take(message);
      });
      this.#close = () => end("it is not watched any more");
      limit(silenceMs);
      link.start(
        (bytes) => {
          request.receive(bytes);
          if (!isOver) limit(silenceMs);
        },
        (cause) => end(cause?.message ?? "it closed the connection"),
      );
      link.write([request.request], () => {});
    });
  }

  #take(message: HostMessage): void {
    switch (message.kind) {
      case "present":
      case "added":
      case "changed":
        this.devices.put(message.device);
        break;
      case "removed":
        this.devices.remove(message.busid);
        break;
      case "snapshot-end":
        this.#become("pushed", "");
        break;
      default:
        return;
    }
    // Before its end a snapshot is a part.
    if (this.#watching === "pushed") this.#changed();
  }

  async #poll(): Promise<void> {
    const link = await this.#dial();
    if (link === undefined) return;
    const conversation = new HostConversation(link, this.#loop);
    this.#close = () => conversation.close();
    try {
      const listed = await conversation.list();
      if (this.#stopped) return;
      const isChanged = this.devices.replace(listed);
      if (isChanged) this.#waits.reset();
      const isNews = this.#become("polled", "");
      if (isChanged || isNews) this.#changed();
    } catch (error) {
      if (failureKind(error) === "defect") throw error;
      this.#isStock = false;
      if (!this.#stopped) this.#unreachable((error as Error).message);
    } finally {
      this.#close = undefined;
      conversation.close();
    }
  }

  #unreachable(reason: string): void {
    this.devices.clear();
    const isNews = this.#become("unreachable", reason);
    if (isNews) {
      this.#log.warn(
        { code: "HOST_UNREACHABLE", peer: this.address },
        `HOST_UNREACHABLE ${this.address}: ${reason} It is dialled again until it is there.`,
      );
    }
    this.#changed();
  }

  /** Tells whether it was something else before. */
  #become(watching: Watching, reason: string): boolean {
    const isNews = this.#watching !== watching;
    this.#watching = watching;
    this.#reason = reason;
    if (isNews && watching !== "unreachable") {
      const words =
        watching === "pushed" ? "tells of its devices" : "is asked for its devices from time to time";
      this.#log.info(
        { code: "HOST_WATCHED", peer: this.address, watching },
        `HOST_WATCHED ${this.address} ${words}`,
      );
    }
    return isNews;
  }

  /** A host that has to be polled, and of which nobody wants anything, is left alone until somebody does. */
  async #pause(ms: number): Promise<void> {
    const isLeftAlone = this.#isStock && !this.#isWanted();
    await new Promise<void>((resolve) => {
      const timer = isLeftAlone ? undefined : this.#loop.after(ms, resolve);
      this.#wake = () => {
        timer?.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
