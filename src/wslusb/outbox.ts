import { Fifo } from "../usb/fifo.ts";
import { FrameBatch } from "./frame-batch.ts";
import { MAX_PAYLOAD } from "./messages.ts";
import { abandonment, type Outgoing } from "./outgoing.ts";

/** What goes first. */
export const Priority = { urgent: 0, isochronous: 1, bulk: 2 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];
const PRIORITIES = 3;

/** So many frames may pass one of less priority that could go; then it goes. */
export const PASSED_MAX = 16;

/** A sender waits for room for so much, or for the rest of its message. It holds every fixed part. */
const LEAST_BYTES = 16 << 10;

/** Messages of one device and priority, in order. */
export class Lane {
  readonly priority: Priority;
  /** Of the device, where frames cost credit. */
  readonly credit: DeviceCredit | undefined;
  readonly queue = new Fifo<Outgoing>();
  /** It waits for credit. */
  isParked = false;

  constructor(priority: Priority, credit: DeviceCredit | undefined) {
    this.priority = priority;
    this.credit = credit;
  }
}

/** Bytes of bulk and isochronous frames of a device that the peer has room for. */
export interface DeviceCredit {
  bytes: number;
}

/** The lanes of a device. */
export class DeviceLanes {
  readonly credit: DeviceCredit;
  /** By priority. */
  readonly lanes: readonly [Lane, Lane, Lane];

  constructor(bytes: number) {
    this.credit = { bytes };
    this.lanes = [
      new Lane(Priority.urgent, undefined),
      new Lane(Priority.isochronous, this.credit),
      new Lane(Priority.bulk, this.credit),
    ];
  }
}

/**
 * All that waits to be sent over one connection. Frames of higher priority go first, lanes of the same priority in
 * turn, a frame each; one batch is with the link at a time.
 */
export class Outbox {
  readonly #write: (chunks: readonly Uint8Array[], written: () => void) => void;
  readonly #batch = new FrameBatch();
  /** What belongs to no device. */
  readonly #common = new Lane(Priority.urgent, undefined);
  /** Lanes that have something and are not parked, by priority. */
  readonly #ready: readonly Fifo<Lane>[] = Array.from({ length: PRIORITIES }, () => new Fifo<Lane>());
  /** Frames that passed a priority since it had its turn. */
  readonly #passed: number[] = Array.from({ length: PRIORITIES }, () => 0);
  #isSending = false;
  #isOver = false;
  #looseWaiting = 0;
  readonly #taken = (): void => {
    this.#isSending = false;
    for (const message of this.#batch.ended) {
      this.#looseWaiting -= message.looseBytes;
      message.left();
    }
    this.#batch.clear();
    this.send();
  };

  constructor(write: (chunks: readonly Uint8Array[], written: () => void) => void) {
    this.#write = write;
  }

  /** Bytes that belong to no transfer, and that the link has not taken. */
  get looseWaiting(): number {
    return this.#looseWaiting;
  }

  /** Leaves with the next `send`; in a lane, or where what belongs to no device goes. */
  add(message: Outgoing, lane: Lane = this.#common): void {
    this.#looseWaiting += message.looseBytes;
    lane.queue.push(message);
    if (lane.queue.length === 1 && !lane.isParked) this.#ready[lane.priority]!.push(lane);
  }

  /** The peer has room for more of a device. */
  grant({ credit, lanes }: DeviceLanes, bytes: number): void {
    credit.bytes += bytes;
    for (const lane of lanes) {
      if (!lane.isParked) continue;
      lane.isParked = false;
      this.#ready[lane.priority]!.push(lane);
    }
  }

  /** Gives a message up, unless all of it is on its way; false then. */
  withdraw(message: Outgoing, lane: Lane): boolean {
    const index = lane.queue.indexOf(message);
    if (index < 0) return false;
    lane.queue.removeAt(index);
    this.#looseWaiting -= message.looseBytes;
    if (lane.queue.length === 0) this.#rest(lane);
    else if (index === 0 && lane.isParked) this.#unpark(lane);
    if (message.isBegun) this.add(abandonment(message));
    else message.left();
    return true;
  }

  /** Gives up all that a device has to say. */
  clear({ lanes }: DeviceLanes): void {
    for (const lane of lanes) {
      for (let last = lane.queue.at(lane.queue.length - 1); last !== undefined; ) {
        this.withdraw(last, lane);
        last = lane.queue.at(lane.queue.length - 1);
      }
    }
  }

  /** Hands over what may go. */
  send(): void {
    if (this.#isSending || this.#isOver) return;
    const batch = this.#batch;
    while (!batch.isFull) {
      const lane = this.#next();
      if (lane === undefined) break;
      this.#sendFrame(lane);
    }
    if (batch.isEmpty) return;
    batch.seal();
    this.#isSending = true;
    this.#write(batch.chunks, this.#taken);
  }

  /** Sends one message at once, and nothing after it. */
  sendLast(message: Outgoing): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const batch = new FrameBatch();
    batch.add(message, message.size);
    batch.seal();
    this.#write(batch.chunks, () => {});
  }

  /** Nothing more leaves. */
  stop(): void {
    this.#isOver = true;
  }

  #next(): Lane | undefined {
    let chosen = -1;
    for (let priority = 0; priority < PRIORITIES; priority++) {
      if (this.#ready[priority]!.length === 0) continue;
      if (chosen < 0 || this.#passed[priority]! >= PASSED_MAX) chosen = priority;
    }
    if (chosen < 0) return undefined;
    this.#passed[chosen] = 0;
    for (let priority = chosen + 1; priority < PRIORITIES; priority++) {
      if (this.#ready[priority]!.length > 0) this.#passed[priority]! += 1;
    }
    return this.#ready[chosen]!.shift();
  }

  #sendFrame(lane: Lane): void {
    const message = lane.queue.first!;
    let length = Math.min(message.size - message.sent, MAX_PAYLOAD);
    const { credit } = lane;
    if (credit !== undefined) {
      if (credit.bytes < Math.min(length, LEAST_BYTES)) {
        lane.isParked = true;
        return;
      }
      length = Math.min(length, credit.bytes);
      credit.bytes -= length;
    }
    this.#batch.add(message, length);
    if (message.isWhole) lane.queue.shift();
    if (lane.queue.length > 0) this.#ready[lane.priority]!.push(lane);
  }

  /** Nothing is left in it. */
  #rest(lane: Lane): void {
    lane.isParked = false;
    const ready = this.#ready[lane.priority]!;
    const index = ready.indexOf(lane);
    if (index >= 0) ready.removeAt(index);
  }

  #unpark(lane: Lane): void {
    lane.isParked = false;
    this.#ready[lane.priority]!.push(lane);
  }
}
