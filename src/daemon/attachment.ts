import { Tap } from "../capture/tap.ts";
import type { Loop } from "../usb/loop.ts";
import { type KernelDevice, untilThere } from "../vhci/kernel-device.ts";
import { KernelRelay, type RelayEnd } from "../vhci/kernel-relay.ts";
import type { PortChoice, Vhci } from "../vhci/vhci.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { type CaptureSubject, recordHere } from "./capture/capture-subject.ts";
import { Failed } from "./failure.ts";
import type { SessionCounters } from "./figures/carried-device.ts";
import type { Log } from "./log.ts";
import type { ReadyImport } from "./remote-host.ts";
import { endByProtocol, isWanted, type SessionEnd } from "./session-end.ts";

const DETACHED: SessionEnd = { code: "OK", reason: "it was detached" };

/** An imported device that this machine's kernel has, behind the guard. */
export class Attachment {
  readonly port: number;
  /** ISO 8601 */
  readonly since = new Date().toISOString();
  /** The host, as a person writes it. */
  readonly address: string;
  readonly ready: ReadyImport;
  /** When port and device are free again. */
  readonly ended: Promise<SessionEnd>;
  readonly #tap: Tap;
  readonly #relay: KernelRelay;
  readonly #asked: { end: SessionEnd };
  #kernel: KernelDevice | undefined;

  private constructor(
    port: number,
    address: string,
    ready: ReadyImport,
    tap: Tap,
    relay: KernelRelay,
    ended: Promise<SessionEnd>,
    asked: { end: SessionEnd },
  ) {
    this.port = port;
    this.address = address;
    this.ready = ready;
    this.#tap = tap;
    this.#relay = relay;
    this.ended = ended;
    this.#asked = asked;
  }

  /** Gives the device to the kernel and logs when that is over. The import is closed in every case. */
  static async start(
    address: string,
    ready: ReadyImport,
    vhci: Vhci,
    loop: Loop,
    log: Log,
    choice?: PortChoice,
  ): Promise<Attachment> {
    const { remote, device } = ready;
    const startMs = loop.now();
    let over!: (end: RelayEnd) => void;
    const relayEnd = new Promise<RelayEnd>((resolve) => {
      over = resolve;
    });
    const tap = new Tap(device);
    const relay = new KernelRelay(tap, vhci, loop, over);
    let port: number;
    try {
      port = await relay.attach(choice);
    } catch (error) {
      const refused = await refusalOf(ready);
      remote.close(DETACHED);
      throw refused ?? error;
    }
    const { busid } = remote.record;
    const asked = { end: DETACHED };
    const ended = relayEnd.then(async (cause) => {
      remote.close(cause instanceof ProtocolError ? endByProtocol(cause) : asked.end);
      const end = await remote.ended;
      const durationMs = Math.round(loop.now() - startMs);
      const line = `${end.code} ${busid} of ${address} on port ${port} after ${durationMs / 1_000} s: ${end.reason}`;
      const fields = { code: end.code, peer: remote.peer, busid, port, durationMs };
      if (isWanted(end)) log.info(fields, line);
      else log.warn(fields, line);
      return end;
    });
    return new Attachment(port, address, ready, tap, relay, ended, asked);
  }

  /** What the kernel has made of it, once `untilUsable` has resolved. */
  get kernel(): KernelDevice | undefined {
    return this.#kernel;
  }

  /** What passes. */
  get counters(): SessionCounters {
    return this.#relay.counters!;
  }

  /** Waits for the device node, and its host; rejects, and lets go of the device, when none comes. */
  async untilUsable(vhci: Vhci, signal: AbortSignal): Promise<void> {
    const giveUp = new AbortController();
    const loss = this.ended.then((end): never => {
      throw new Failed(
        `${this.ready.remote.record.busid} of ${this.address} was lost while the kernel looked at it: ${end.code}: ` +
          `${end.reason}. Look at the host, then attach it again.`,
      );
    });
    try {
      const there = untilThere(vhci, this.port, AbortSignal.any([signal, giveUp.signal]));
      const kernel = await Promise.race([there, loss]);
      await this.ready.given;
      this.#kernel = kernel;
    } catch (error) {
      const refused = await refusalOf(this.ready);
      this.stop();
      await this.ended;
      throw refused ?? error;
    } finally {
      giveUp.abort();
      loss.catch(() => {});
    }
  }

  /** The device, to be recorded; with the numbers that it has at its host, for it had no others before it was attached. */
  captureSubject(isGone: () => boolean): CaptureSubject {
    const { busid, busnum, devnum } = this.ready.remote.record;
    const tap = this.#tap;
    return {
      busid,
      busnum,
      devnum,
      device: tap,
      get isGone() {
        return isGone();
      },
      record: (request) => recordHere(tap, request),
    };
  }

  /** Takes the device away from the kernel; `ended` follows. */
  stop(end = DETACHED): void {
    this.#asked.end = end;
    this.#relay.stop();
  }
}

/** Why the host does not give the device, if it has said so: that tells more than what came of it. */
async function refusalOf({ given }: ReadyImport): Promise<unknown> {
  try {
    await Promise.race([given, Promise.resolve()]);
    return undefined;
  } catch (error) {
    return error;
  }
}
