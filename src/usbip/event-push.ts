import type { Cancellable, Loop } from "../usb/loop.ts";
import { equalBytes } from "../wire/equal-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { describeDevice } from "./device-record.ts";
import { encodeDevice, encodeEvent, encodeRemoved } from "./event-frame.ts";
import { EVENTS_VERSION, EventCode, EventsReply } from "./event-pdu.ts";
import type { ExportedDevice, Exports } from "./exports.ts";
import { OpCode, OpCommon, OpStatus, USBIP_VERSION } from "./pdu.ts";

/** How long a host is silent at most: its guest takes it for dead after a multiple of it. */
export const ALIVE_SECONDS = 10;

/** Above it nothing is added until the peer has read: then it is told what has become of it all. */
const UNREAD_BYTES = 256 << 10;

interface Told {
  readonly device: ExportedDevice["device"];
  readonly configuration: number;
  readonly descriptors: Uint8Array;
  readonly attached: boolean;
  readonly body: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/**
 * Server side of OP_REQ_EVENTS: tells a peer the devices that it may have, then whatever changes. It compares what is
 * there with what was told, so that no order of events, no change of rules and no slow reader makes the two differ.
 */
export class EventPush {
  readonly #exports: Exports;
  readonly #loop: Loop;
  readonly #write: (chunks: readonly Uint8Array[], written: () => void) => void;
  readonly #told = new Map<string, Told>();
  #sequence = 0;
  #unread = 0;
  #isAsked = false;
  #stopped = false;
  #alive: Cancellable | undefined;
  #unwatch: (() => void) | undefined;

  constructor(
    exports: Exports,
    loop: Loop,
    write: (chunks: readonly Uint8Array[], written: () => void) => void,
  ) {
    this.#exports = exports;
    this.#loop = loop;
    this.#write = write;
  }

  /** Answers the request, and goes on until it is stopped. False if these exports tell nobody of changes. */
  start(): boolean {
    this.#unwatch = this.#exports.watch?.(() => this.#changed());
    if (this.#unwatch === undefined) return false;
    const head = { version: USBIP_VERSION, code: OpCode.OP_REP_EVENTS, status: OpStatus.ST_OK };
    const reply = { events_version: EVENTS_VERSION, alive_seconds: ALIVE_SECONDS };
    const present = this.#news(EventCode.PRESENT);
    this.#send([
      OpCommon.encode(head),
      EventsReply.encode(reply),
      ...present,
      this.#event(EventCode.SNAPSHOT_END, NOTHING),
    ]);
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#alive?.cancel();
  }

  /** Many devices may come in one turn. */
  #changed(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#loop.soon(() => this.#look());
  }

  #look(): void {
    // Asked for still, and done when the peer has read.
    if (this.#unread > UNREAD_BYTES) return;
    this.#isAsked = false;
    if (this.#stopped) return;
    const news = this.#news(EventCode.ADDED);
    if (news.length > 0) this.#send(news);
  }

  /** Events for all that differs from what was told. */
  #news(coming: number): readonly Uint8Array[] {
    const there = new Map<string, Told>();
    for (const exported of this.#exports.devices()) {
      const told = this.#describe(exported);
      if (told !== undefined) there.set(exported.busid, told);
    }
    const news: Uint8Array[] = [];
    for (const [busid, told] of this.#told) {
      // Another device by the same name has come in its place.
      if (there.get(busid)?.device === told.device) continue;
      this.#told.delete(busid);
      news.push(this.#event(EventCode.REMOVED, encodeRemoved(busid)));
    }
    for (const [busid, now] of there) {
      const before = this.#told.get(busid);
      this.#told.set(busid, now);
      if (before === undefined) news.push(this.#event(coming, now.body));
      else if (!isSame(before.body, now.body)) news.push(this.#event(EventCode.CHANGED, now.body));
    }
    return news;
  }

  /** Nothing for a device that cannot be imported; what was told stays as it is while it is right. */
  #describe(exported: ExportedDevice): Told | undefined {
    const { busid, device, attached, serial } = exported;
    const { configuration, descriptors } = device;
    const told = this.#told.get(busid);
    const isRight =
      told?.device === device &&
      told.configuration === configuration &&
      told.descriptors === descriptors &&
      told.attached === attached;
    if (isRight) return told;
    const description = describeDevice(exported);
    if (description instanceof ProtocolError) return undefined;
    const body = encodeDevice(description, !attached, serial, descriptors);
    return { device, configuration, descriptors, attached, body };
  }

  #event(kind: number, body: Uint8Array): Uint8Array {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return encodeEvent(kind, this.#sequence, body);
  }

  #send(chunks: readonly Uint8Array[]): void {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#unread += bytes;
    this.#beAliveLater();
    this.#write(chunks, () => {
      this.#unread -= bytes;
      if (this.#isAsked && !this.#stopped) this.#look();
    });
  }

  #beAliveLater(): void {
    this.#alive?.cancel();
    this.#alive = this.#loop.after(ALIVE_SECONDS * 1_000, () => {
      // Bytes that wait to be read say as much.
      if (this.#unread > 0) this.#beAliveLater();
      else this.#send([this.#event(EventCode.ALIVE, NOTHING)]);
    });
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && equalBytes(one, 0, other, 0, one.length);
}
