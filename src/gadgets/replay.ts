import type { Change } from "../usb/chapter9.ts";
import type { DescriptorAnswers } from "../usb/chapter9-descriptors.ts";
import { answerIn, takeOut } from "../usb/control-data.ts";
import type { Cancellable } from "../usb/loop.ts";
import { REQUEST_DIRECTION_IN, Setup } from "../usb/setup.ts";
import type { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { Gadget } from "./gadget.ts";

/** What a device did, as somebody has recorded it. */
export interface RecordedLife {
  readonly speed: Speed;
  readonly descriptors: DescriptorAnswers;
  /** Requests that were none for a descriptor of the device, in their order. */
  readonly controls: readonly {
    readonly setup: Uint8Array;
    readonly status: TransferStatus;
    readonly data: Uint8Array;
  }[];
  /** What came from its endpoints, in their order. */
  readonly reads: readonly {
    readonly endpoint: number;
    readonly waitMs: number;
    readonly status: TransferStatus;
    readonly data: Uint8Array;
    readonly packets: readonly Uint8Array[];
  }[];
}

export interface ReplayOptions {
  readonly recording: RecordedLife;
  /** Default: as it was recorded. */
  readonly speed?: Speed;
}

/** What is left of the reads of one endpoint. */
interface Track {
  next: number;
  /** Of the next read, how much of its data has been sent. */
  sent: number;
  /** When the next read may end, once somebody waits for it. */
  dueMs: number | undefined;
  timer: Cancellable | undefined;
}

/** A timer takes no more; who waits a month for a key may wait anew. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/**
 * A device that does again what a recording of it tells: its descriptors, its answers to requests, and what it sent, each
 * as long after it could have been read as it was then. What it is sent it takes. It begins anew with each configuration, and is
 * silent at the end.
 */
export class Replay extends Gadget {
  readonly #controls: ReadonlyMap<string, RecordedLife["controls"]>;
  readonly #reads: ReadonlyMap<number, RecordedLife["reads"]>;
  readonly #packets: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly #asked = new Map<string, number>();
  readonly #tracks = new Map<number, Track>();

  constructor({ recording, speed }: ReplayOptions) {
    super(recording.descriptors, speed ?? recording.speed);
    this.#controls = grouped(recording.controls, ({ setup }) => requestOf(setup));
    this.#reads = grouped(recording.reads, ({ endpoint }) => endpoint);
    this.#packets = new Map(
      Array.from(this.#reads, ([endpoint, reads]) => [endpoint, reads.flatMap(({ packets }) => packets)]),
    );
  }

  protected override control(urb: Urb): TransferStatus {
    const request = requestOf(urb.setup);
    const answers = this.#controls.get(request);
    if (answers === undefined) return TransferStatus.stall;
    const asked = this.#asked.get(request) ?? 0;
    this.#asked.set(request, asked + 1);
    // Who asks more often than it was asked then hears the last answer again.
    const { status, data } = answers[Math.min(asked, answers.length - 1)]!;
    if (status !== TransferStatus.ok) return TransferStatus.stall;
    if ((Setup.bmRequestType(urb.setup, 0) & REQUEST_DIRECTION_IN) !== 0) return answerIn(urb, data);
    takeOut(urb);
    return TransferStatus.ok;
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    if (!isIn(urb.endpoint)) {
      urb.actualLength = urb.length;
      return TransferStatus.ok;
    }
    const track = this.#track(urb.endpoint);
    const read = this.#reads.get(urb.endpoint)?.[track.next];
    if (read === undefined || !this.#isDue(urb.endpoint, track, read.waitMs)) return undefined;
    const length = Math.min(urb.length, read.data.length - track.sent);
    copyBytes(read.data, track.sent, length, urb.buffer, urb.offset);
    urb.actualLength = length;
    track.sent += length;
    // A host that reads in smaller pieces than the one then gets all the same bytes.
    if (track.sent < read.data.length) return TransferStatus.ok;
    track.next++;
    track.sent = 0;
    track.dueMs = undefined;
    if (read.status === TransferStatus.stall) this.halt(urb.endpoint);
    return read.status;
  }

  protected override packet(urb: Urb, at: number, length: number): number {
    if (!isIn(urb.endpoint)) return length;
    const track = this.#track(urb.endpoint);
    const packet = this.#packets.get(urb.endpoint)?.[track.next];
    if (packet === undefined) return 0;
    track.next++;
    const moved = Math.min(packet.length, length);
    copyBytes(packet, 0, moved, urb.buffer, at);
    return moved;
  }

  protected override dropped({ endpoint }: Urb): void {
    this.#rest(endpoint);
  }

  protected override changed(change: Change): void {
    if (change.what !== "configuration") return;
    for (const endpoint of this.#tracks.keys()) this.#rest(endpoint);
    this.#tracks.clear();
    this.#asked.clear();
  }

  #track(endpoint: number): Track {
    let track = this.#tracks.get(endpoint);
    if (track === undefined) {
      track = { next: 0, sent: 0, dueMs: undefined, timer: undefined };
      this.#tracks.set(endpoint, track);
    }
    return track;
  }

  #isDue(endpoint: number, track: Track, waitMs: number): boolean {
    const loop = this.loop!;
    track.dueMs ??= loop.now() + waitMs;
    const leftMs = track.dueMs - loop.now();
    if (leftMs <= 0) return true;
    track.timer ??= loop.after(Math.min(leftMs, LONGEST_WAIT_MS), () => {
      track.timer = undefined;
      this.ready(endpoint);
    });
    return false;
  }

  /** Nobody waits there any more. */
  #rest(endpoint: number): void {
    const track = this.#tracks.get(endpoint);
    track?.timer?.cancel();
    if (track === undefined) return;
    track.timer = undefined;
    track.dueMs = undefined;
  }
}

/** What a request asks for, whatever room it brings for the answer. */
function requestOf(setup: Uint8Array): string {
  return setup.slice(0, 6).join(" ");
}

function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
