import type { Link } from "../../links/link.ts";
import type { LinkError } from "../../links/link-error.ts";
import type { Loop } from "../../usb/loop.ts";
import type { PushedDevice } from "../../usbip/event-pdu.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { AttachRefusal } from "../../wslusb/attach-answer.ts";
import { WslusbClient } from "../../wslusb/client.ts";
import type { WslusbDevice } from "../../wslusb/client-device.ts";
import { EventKind } from "../../wslusb/messages.ts";
import { Status, statusName } from "../../wslusb/status.ts";
import { Failed } from "../failure.ts";
import { Refused } from "../host-conversation.ts";
import type { ReadyImport, RemoteDevice } from "../remote-host.ts";
import { endByProtocol, type SessionEnd } from "../session-end.ts";
import { StallPatrol } from "../stall-watch.ts";
import { asPushed, recordOf } from "./listed.ts";

const ANSWER_MS = 10_000;
/** How long a host may keep its side open after we have closed ours. */
const LINGER_MS = 250;

/** Who is told of the devices of a host. */
export interface HostFollower {
  put(device: PushedDevice): void;
  remove(busid: string): void;
  /** Nothing more is told. */
  ended(reason: string): void;
}

/** A device, and what becomes of it. */
interface Import {
  readonly remote: RemoteDevice;
  finish(end: SessionEnd): void;
}

/**
 * The guest's side of a WSL-USB connection, which all who want something of one host share. It closes when nobody
 * holds it, has a device of it or follows it. Promises reject with Failed.
 */
export class HostConnection {
  readonly peer: string;
  readonly #link: Link;
  readonly #loop: Loop;
  readonly #patrol: StallPatrol;
  readonly #client: WslusbClient;
  readonly #imports = new Map<WslusbDevice, Import>();
  readonly #followers = new Set<HostFollower>();
  #holders = 0;
  /** Why it is over. */
  #end: SessionEnd | undefined;
  #over = false;
  /** Questions without an answer, and whoever else wants to know of the end. */
  readonly #asked = new Set<() => void>();

  constructor(link: Link, loop: Loop) {
    this.peer = link.peer;
    this.#link = link;
    this.#loop = loop;
    this.#patrol = new StallPatrol(link, loop, (error) => this.destroy(endByProtocol(error)));
    this.#client = new WslusbClient(loop, {
      write: (chunks, written) => this.#patrol.write(chunks, written),
      end: (error) => {
        this.#end ??= endByProtocol(error);
        this.#link.end();
        this.#loop.after(LINGER_MS, () => this.#link.destroy());
      },
      takenBack: (device, status) => this.#takenBack(device, status),
      changed: (kind, device) => {
        for (const follower of this.#followers) {
          if (kind === EventKind.REMOVED) follower.remove(device.instance_id);
          else follower.put(asPushed(device));
        }
      },
    });
  }

  /** No more can be had of it. */
  get isOver(): boolean {
    return this.#end !== undefined || this.#over;
  }

  /** Speaks first; resolves when the host has answered. */
  greet(): Promise<void> {
    return this.#within("did not answer", (done) => {
      this.#link.start(
        (bytes) => this.#client.receive(bytes),
        (cause) => this.#gone(cause),
      );
      this.#client.greet(() => done());
    });
  }

  /** Calls back once nothing more can be had of it. */
  whenOver(callback: () => void): void {
    if (this.#over) callback();
    else this.#asked.add(callback);
  }

  /** Keeps the connection until the answer is called. */
  hold(): () => void {
    this.#holders++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders--;
      this.#closeIfUnused();
    };
  }

  list(): Promise<readonly PushedDevice[]> {
    return this.#list(false);
  }

  /** Tells what there is, and what changes, until the answer is called or the connection ends. */
  async follow(follower: HostFollower): Promise<() => void> {
    const release = this.hold();
    try {
      await this.#list(true, (devices) => {
        // Behind the list, before the first event.
        this.#followers.add(follower);
        for (const device of devices) follower.put(device);
      });
    } catch (error) {
      this.#followers.delete(follower);
      release();
      throw error;
    }
    return () => {
      this.#followers.delete(follower);
      release();
    };
  }

  /** Rejects with Refused if the host keeps the device. */
  async import(busid: string): Promise<ReadyImport> {
    const failure = `did not give ${busid}`;
    const result = await this.#within<WslusbDevice | AttachRefusal>(failure, (done) =>
      this.#client.attach(busid, (answer) => {
        if (answer !== undefined) done(answer);
      }),
    );
    if (result instanceof AttachRefusal) throw new Refused(refusal(busid, result, this.peer));
    return this.#imported(result);
  }

  /** Drops it, with all devices. */
  destroy(end: SessionEnd): void {
    this.#end ??= end;
    this.#link.destroy();
  }

  #list(
    subscribe: boolean,
    came: (devices: readonly PushedDevice[]) => void = () => {},
  ): Promise<readonly PushedDevice[]> {
    return this.#within<readonly PushedDevice[]>("did not list its devices", (done) =>
      this.#client.list(subscribe, (listed) => {
        if (listed === undefined) return;
        const devices = listed.map(asPushed);
        came(devices);
        done(devices);
      }),
    );
  }

  #imported(device: WslusbDevice): ReadyImport {
    let finish!: (end: SessionEnd) => void;
    const ended = new Promise<SessionEnd>((resolve) => {
      finish = resolve;
    });
    let given: SessionEnd | undefined;
    const remote: RemoteDevice = {
      record: recordOf(device),
      peer: this.peer,
      ended,
      close: (end) => {
        if (given !== undefined || !this.#imports.has(device)) return;
        given = end;
        device.detach(() => {
          this.#imports.delete(device);
          finish(end);
          this.#closeIfUnused();
        });
      },
    };
    this.#imports.set(device, { remote, finish: (end) => finish(given ?? end) });
    return { remote, device };
  }

  #takenBack(device: WslusbDevice, status: number): void {
    const taken = this.#imports.get(device);
    this.#imports.delete(device);
    taken?.finish(
      status === Status.DISCONNECTED
        ? { code: "UNPLUGGED", reason: "the device was unplugged at the host" }
        : { code: "UNPLUGGED", reason: `the host took the device back (${statusName(status)})` },
    );
    this.#loop.soon(() => this.#closeIfUnused());
  }

  #gone(cause: LinkError | undefined): void {
    this.#over = true;
    this.#patrol.end();
    this.#end ??= {
      code: cause === undefined ? "UNPLUGGED" : "LINK_LOST",
      reason: cause?.message ?? "the host closed the connection",
    };
    const imports = Array.from(this.#imports.values());
    this.#imports.clear();
    for (const taken of imports) taken.finish(this.#end);
    this.#client.disconnected();
    const followers = Array.from(this.#followers);
    this.#followers.clear();
    for (const follower of followers) follower.ended(this.#end.reason);
    for (const lost of this.#asked) lost();
  }

  #closeIfUnused(): void {
    if (this.#holders > 0 || this.#imports.size > 0 || this.isOver) return;
    this.#end = { code: "OK", reason: "nobody has use for it" };
    this.#link.end();
    this.#loop.after(LINGER_MS, () => this.#link.destroy());
  }

  /** Drops the connection unless the answer comes in time. */
  #within<T>(failure: string, ask: (done: (answer: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#over) {
        reject(this.#failed(failure, this.#end!.reason));
        return;
      }
      const timer = this.#loop.after(ANSWER_MS, () =>
        this.destroy(
          endByProtocol(new ProtocolError("PEER_SILENT", `it was silent for ${ANSWER_MS / 1_000} s`)),
        ),
      );
      const lost = (): void => {
        timer.cancel();
        reject(this.#failed(failure, this.#end!.reason));
      };
      this.#asked.add(lost);
      ask((answer) => {
        timer.cancel();
        this.#asked.delete(lost);
        resolve(answer);
      });
    });
  }

  #failed(failure: string, reason: string): Failed {
    return new Failed(`${this.peer} ${failure}: ${reason}. Check that a usbferry host listens there.`);
  }
}

/** What a refused attach means, and what to do. */
function refusal(busid: string, { status, message }: AttachRefusal, peer: string): string {
  const words = message === "" ? "" : ` (${message})`;
  switch (status) {
    case Status.NOT_FOUND:
      return `${peer} has no device "${busid}". See what it shares with \`usbferry list ADDR\`.`;
    case Status.BUSY:
      return `${busid} is in use. Detach it where it is attached (\`usbferry detach\`, \`usbip detach\`), then try again.`;
    case Status.DENIED:
      return `${peer} does not give ${busid}${words}. Look at the rules of the host (\`usbferry policy list\` there).`;
    case Status.TOO_MANY:
      return `${peer} gives no further device over this connection${words}. Detach one.`;
    default:
      return `${peer} cannot give ${busid}: ${statusName(status)}${words}. Look at the host.`;
  }
}
