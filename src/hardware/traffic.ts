import type { CompletionRounds } from "../usb/completion-rounds.ts";
import type { EndpointMap } from "../usb/endpoint-map.ts";
import { ENDPOINT_SLOTS, endpointSlot } from "../usb/endpoint-slot.ts";
import { isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import type { Part, PartTable } from "./part-table.ts";
import { StateRequest, stateRequest } from "./state-request.ts";
import { LATER, Submission } from "./submission.ts";
import { ACCEPTED, EndpointQueue, Transfer } from "./transfer.ts";
import { refusalOf } from "./urb-check.ts";

/** Queue of endpoint 0, both directions. */
const CONTROL = 0;

/** What traffic asks of its device. */
export interface TrafficEvents {
  /** A control request is due that the operating system has to carry out. The next one waits until `performed`. */
  due(transfer: Transfer): void;
  /** Answers a control request while the system must not be asked; nothing if it has to wait. */
  told(urb: Urb): TransferStatus | undefined;
  /** URBs that the system has are to end early: `discard` tells which. */
  cancelled(): void;
}

/**
 * The URBs of one open device, between its sink and the operating system: order, early ends, results. Submitting and reaping
 * do not wait as long as no other call holds the device's lock; for that time the traffic is held.
 */
export class Traffic<C> {
  readonly #table: PartTable<Part, C>;
  readonly #map: EndpointMap;
  readonly #rounds: CompletionRounds;
  readonly #partBytes: number;
  readonly #events: TrafficEvents;
  readonly #submission: Submission<C>;
  /** By endpoint slot. */
  readonly #queues = Array.from({ length: ENDPOINT_SLOTS }, () => new EndpointQueue());
  readonly #idle: Transfer[] = [];
  #held = false;
  /** A control request that the operating system carries out. */
  #performed: Transfer | undefined;
  /** Some queue waits for what another one has. */
  #starved = false;
  /** How everything that is submitted ends. */
  #ending: number = ACCEPTED;

  /** `partBytes`: most bytes that the system is asked to take in one part. */
  constructor(
    table: PartTable<Part, C>,
    map: EndpointMap,
    rounds: CompletionRounds,
    partBytes: number,
    events: TrafficEvents,
  ) {
    this.#table = table;
    this.#map = map;
    this.#rounds = rounds;
    this.#partBytes = partBytes;
    this.#events = events;
    this.#submission = new Submission(table);
  }

  submit(urb: Urb): void {
    const queue = this.#queueOf(urb);
    const transfer = this.#idle.pop() ?? new Transfer();
    transfer.start(urb, queue, this.#partBytes);
    transfer.refusal = this.#ending === ACCEPTED ? refusalOf(urb, this.#map) : this.#ending;
    if (transfer.refusal === ACCEPTED && urb.type === TransferType.control) {
      transfer.request = stateRequest(urb.setup);
    }
    queue.waiting.push(transfer);
    if (queue.waiting.length === 1) this.#advance(queue);
  }

  cancel(urb: Urb): void {
    const performed = this.#performed;
    if (performed?.urb === urb) {
      // The call goes on; nobody waits for what it brings.
      this.#performed = undefined;
      this.#finish(performed, TransferStatus.cancelled);
      return;
    }
    const queue = this.#queueOf(urb);
    for (let i = 0; i < queue.waiting.length; i++) {
      const transfer = queue.waiting.at(i)!;
      if (transfer.urb !== urb || transfer.parts > 0) continue;
      queue.waiting.removeAt(i);
      this.#finish(transfer, TransferStatus.cancelled);
      if (i === 0) this.#advance(queue);
      return;
    }
    for (const { transfer } of this.#table.all) {
      if (transfer?.urb !== urb || transfer.isCancelled) continue;
      transfer.isCancelled = true;
      this.#events.cancelled();
      return;
    }
  }

  /** Ends the transfers that `picks` names; those that the system has are to be discarded. */
  endSome(picks: (urb: Urb) => boolean, status: TransferStatus): void {
    for (const queue of this.#queues) {
      for (let i = 0; i < queue.waiting.length; ) {
        const transfer = queue.waiting.at(i)!;
        if (transfer.parts > 0 || !picks(transfer.urb)) {
          i++;
          continue;
        }
        queue.waiting.removeAt(i);
        this.#finish(transfer, status);
      }
    }
    if (status !== TransferStatus.cancelled) return;
    for (const { transfer } of this.#table.all) {
      if (transfer !== undefined && picks(transfer.urb)) transfer.isCancelled = true;
    }
  }

  /** Ends everything, and what is submitted from here on until `restart`. */
  end(status: TransferStatus): void {
    this.#ending = status;
    const performed = this.#performed;
    this.#performed = undefined;
    if (performed !== undefined) this.#finish(performed, status);
    this.endSome(() => true, status);
  }

  restart(): void {
    this.#ending = ACCEPTED;
  }

  /** Asks for the early end of what is cancelled and the system still has. */
  discard(calls: C): void {
    for (const part of this.#table.all) {
      if (part.transfer?.isCancelled !== true || part.isDiscarded) continue;
      part.isDiscarded = true;
      this.#table.discard(part, calls);
    }
  }

  /** The system has none of its URBs. */
  get isIdle(): boolean {
    return this.#table.taken === 0;
  }

  /** The system is given nothing until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    for (const queue of this.#queues) if (queue.waiting.length > 0) this.#advance(queue);
  }

  /** Something may be told that was not before. */
  look(): void {
    this.#advance(this.#queues[CONTROL]!);
  }

  /** The request that was due has ended so; nothing: the device itself shall answer it. */
  performed(transfer: Transfer, status: TransferStatus | undefined): void {
    if (this.#performed !== transfer) return;
    this.#performed = undefined;
    if (status !== undefined) {
      this.#finish(transfer, status);
      return;
    }
    transfer.request = StateRequest.none;
    const refusal = this.#submission.begin(transfer);
    if (refusal !== ACCEPTED)
      this.#finish(transfer, refusal === LATER ? TransferStatus.noMemory : statusOf(refusal));
  }

  /** Takes what the system has done. False if the device is gone and nothing more will come. */
  reap(): boolean {
    const isThere = this.#table.reap(this.#reaped);
    if (this.#starved && !this.#held) {
      this.#starved = false;
      this.release();
    }
    return isThere;
  }

  readonly #reaped = (part: Part): void => {
    const transfer = part.transfer!;
    const { queue } = transfer;
    const wasBegun = transfer.isBegun;
    const status = this.#submission.end(part);
    if (transfer.urb.status === TransferStatus.ok) transfer.urb.status = status;
    if (transfer.parts === 0 && transfer.isBegun) {
      // A transfer that ends before it was all begun is still the first that waits.
      if (!wasBegun) queue.waiting.shift();
      this.#finish(transfer, transfer.urb.status);
    }
    if (queue.waiting.length > 0) this.#advance(queue);
  };

  /** Gives the system what is due. */
  #advance(queue: EndpointQueue): void {
    const { waiting } = queue;
    for (let transfer = waiting.first; transfer !== undefined; transfer = waiting.first) {
      if (queue === this.#queues[CONTROL] && this.#performed !== undefined) return;
      if (transfer.refusal !== ACCEPTED) {
        if (queue.inSystem > 0) return;
        waiting.shift();
        this.#finish(transfer, statusOf(transfer.refusal));
      } else if (this.#held) {
        const told = this.#toldTo(transfer);
        if (told === undefined) return;
        waiting.shift();
        this.#finish(transfer, told);
      } else if (transfer.request !== StateRequest.none) {
        if (queue.inSystem > 0) return;
        waiting.shift();
        this.#performed = transfer;
        this.#events.due(transfer);
      } else {
        const refusal = this.#submission.begin(transfer);
        if (refusal === LATER) {
          this.#starved ||= queue.inSystem === 0;
          return;
        }
        if (refusal !== ACCEPTED) this.#refuse(transfer, refusal);
        else if (transfer.isBegun) waiting.shift();
      }
    }
  }

  #toldTo({ urb, queue, request }: Transfer): TransferStatus | undefined {
    const isRead = urb.type === TransferType.control && request === StateRequest.none;
    return isRead && queue.inSystem === 0 ? this.#events.told(urb) : undefined;
  }

  /** The system does not take the first that waits, or not the rest of it. */
  #refuse(transfer: Transfer, refusal: number): void {
    if (transfer.parts > 0) {
      // Some packets are on their way; the others are left out.
      transfer.isBegun = true;
      transfer.queue.waiting.shift();
      transfer.urb.status = statusOf(refusal);
    } else {
      transfer.refusal = refusal;
    }
  }

  #finish(transfer: Transfer, status: TransferStatus): void {
    const { urb } = transfer;
    const isShort =
      status === TransferStatus.ok &&
      (urb.flags & UrbFlag.shortNotOk) !== 0 &&
      urb.actualLength < urb.length &&
      isIn(urb.endpoint) &&
      urb.type !== TransferType.isochronous;
    urb.status = isShort ? TransferStatus.short : status;
    if (urb.type === TransferType.control && status === TransferStatus.ok) this.#map.completed(urb.setup);
    transfer.end();
    this.#idle.push(transfer);
    this.#rounds.add(urb);
  }

  #queueOf({ type, endpoint }: Urb): EndpointQueue {
    return this.#queues[type === TransferType.control ? CONTROL : endpointSlot(endpoint)]!;
  }
}

function statusOf(refusal: number): TransferStatus {
  return refusal as TransferStatus;
}
