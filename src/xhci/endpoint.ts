import { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, TransferType } from "../usb/urb.ts";
import type { Bus } from "./bus.ts";
import { CompletionCode } from "./completion-code.ts";
import { contextAt, ENDPOINT_STATE_MASK, EndpointState } from "./contexts.ts";
import { type EndpointPlan, readEndpointContext } from "./endpoint-context.ts";
import { BATCHES_PER_ENDPOINT, TRANSFERS_PER_ENDPOINT, TRBS_PER_DOORBELL } from "./limits.ts";
import type { Slot } from "./slot.ts";
import type { Transfer } from "./transfer.ts";
import { describe, fill, readTransfer } from "./transfer-beginning.ts";
import { movedBytes, reportEnded, reportStopped } from "./transfer-end.ts";
import { TrbBit, TrbType } from "./trb.ts";
import { Fetched, TrbRing } from "./trb-ring.ts";
import type { Walker } from "./turns.ts";
import { UnderWay } from "./under-way.ts";
import { WakeWatch } from "./wake-watch.ts";

const { SUCCESS, CONTEXT_STATE } = CompletionCode;

/** An endpoint of a slot (xHCI §4.6.6 to §4.6.10): its ring, its state, and what of the ring is under way. */
export class Endpoint implements Walker {
  readonly slot: Slot;
  readonly dci: number;
  readonly type: TransferType;
  /** As on the bus, with the direction in bit 7. */
  readonly address: number;
  /** Service interval in microframes. */
  readonly interval: number;
  readonly ring = new TrbRing();
  isQueued = false;
  #state: EndpointState = EndpointState.running;
  readonly #underWay: UnderWay;
  readonly #most: number;
  /** What comes next in the ring cannot be worked with; that is told when all before it has ended. */
  #isAtEnd = false;
  #stopped: ((code: number) => void) | undefined;
  /** A TD that was stopped in the midst, and how much of it had moved. */
  #resumeAt = -1;
  #resumeBytes = 0;
  /** An isochronous ring that ran dry is told of once. */
  #dryIsTold = true;
  /** Interrupt IN only. */
  readonly #watch: WakeWatch | undefined;

  constructor(slot: Slot, dci: number, plan: EndpointPlan) {
    const { type, isIncoming } = plan;
    this.slot = slot;
    this.#underWay = new UnderWay(slot.chip.memory);
    this.dci = dci;
    this.type = type;
    this.interval = plan.interval;
    this.address = (dci >> 1) | (isIncoming ? 0x80 : 0);
    this.#most = this.isIsochronous ? BATCHES_PER_ENDPOINT : TRANSFERS_PER_ENDPOINT;
    this.ring.move(plan.dequeue, plan.cycle);
    if (type === TransferType.interrupt && isIncoming) {
      this.#watch = new WakeWatch(this, plan.bytesPerInterval);
    }
  }

  /** The endpoint of a context, or nothing where type and place do not agree. */
  static of(slot: Slot, dci: number, bus: Bus, context: number): Endpoint | undefined {
    const plan = readEndpointContext(bus, dci, context);
    return plan === undefined ? undefined : new Endpoint(slot, dci, plan);
  }

  get state(): EndpointState {
    return this.#state;
  }

  get isIsochronous(): boolean {
    return this.type === TransferType.isochronous;
  }

  /** As URBs have it: in frames where the bus has no microframes. */
  get intervalOfBus(): number {
    const speed = this.slot.device?.device.speed ?? Speed.high;
    return speed >= Speed.high ? this.interval : Math.max(this.interval >> 3, 1);
  }

  /** The doorbell was rung. */
  ringDoorbell(): void {
    if (this.#state === EndpointState.stopped) {
      this.#state = EndpointState.running;
      this.show();
    }
    if (this.#state !== EndpointState.running) return;
    this.ring.walked = 0;
    this.slot.chip.turns.add(this);
  }

  walk(): void {
    this.#settle();
    const { turns } = this.slot.chip;
    while (this.#mayBegin()) {
      if (turns.left <= 0) {
        turns.add(this);
        return;
      }
      if (!this.#begin()) return;
    }
  }

  /** A transfer is the endpoint's again. */
  ended(transfer: Transfer): void {
    transfer.hasEnded = true;
    if (this.#watch?.ended(transfer) === true) {
      if (this.#watch.hasData) this.slot.device?.woken();
    } else {
      this.#settle();
    }
    if (this.#state === EndpointState.running) this.slot.chip.turns.add(this);
  }

  /** The port is suspended: what the device says from here on wakes the guest up. */
  suspend(): void {
    if (this.#underWay.count === 0) this.#watch?.begin();
  }

  resume(): void {
    this.#watch?.end();
  }

  /** Stop Endpoint: `done` gets its completion code when everything under way has come back. */
  stop(done: (code: number) => void): void {
    if (this.#state !== EndpointState.running || this.#stopped !== undefined) {
      done(CONTEXT_STATE);
      return;
    }
    this.#stopped = done;
    this.#underWay.cancel();
    this.#settle();
  }

  /** Reset Endpoint. */
  reset(preserve: boolean): number {
    if (this.#state !== EndpointState.halted) return CONTEXT_STATE;
    if (!preserve) this.#resumeAt = -1;
    this.#state = EndpointState.stopped;
    this.show();
    return SUCCESS;
  }

  /** Set TR Dequeue Pointer. */
  moveRing(dequeue: number, cycle: number): number {
    if (this.#state !== EndpointState.stopped && this.#state !== EndpointState.error) return CONTEXT_STATE;
    this.ring.move(dequeue, cycle);
    this.#resumeAt = -1;
    this.#state = EndpointState.stopped;
    this.show();
    return SUCCESS;
  }

  /** It is none any more: what is under way comes back to nobody, and a turn that it still waits for finds nothing to do. */
  abandon(): void {
    this.#state = EndpointState.disabled;
    this.empty();
  }

  /** Gives up what is under way. */
  empty(): void {
    this.#stopped = undefined;
    this.#watch?.abandon();
    this.#giveUp();
  }

  /** Writes state and dequeue pointer into the context (xHCI §6.2.3). */
  show(): void {
    const { chip, context } = this.slot;
    const at = contextAt(context, this.dci);
    const { dequeue, cycle } = this.ring;
    chip.bus.store(at, (chip.bus.load(at) & ~ENDPOINT_STATE_MASK) | this.#state);
    chip.bus.store(at + 8, (dequeue | 0) + cycle);
    chip.bus.store(at + 12, Math.floor(dequeue / 0x1_0000_0000));
  }

  postTransfer(
    target: number,
    low: number,
    high: number,
    status: number,
    control: number,
    isQuiet: boolean,
  ): void {
    const what = (TrbType.TRANSFER_EVENT << 10) | (this.dci << 16) | (this.slot.id << 24);
    this.slot.chip.post(target, low, high, status, control | what, isQuiet);
  }

  #mayBegin(): boolean {
    if (this.#state !== EndpointState.running || this.#stopped !== undefined || this.#isAtEnd) return false;
    if (this.#underWay.count >= this.#most || this.#watch?.isBusy === true) return false;
    const { chip } = this.slot;
    return chip.isRunning && !chip.isCongested;
  }

  /** Takes the next transfer from the ring. False if there is none, or no room for it. */
  #begin(): boolean {
    const { chip, device } = this.slot;
    const transfer = chip.memory.take(this);
    if (transfer === undefined) return false;
    const { ring } = this;
    const { dequeue, cycle, walked } = ring;
    transfer.begin(this);
    const fetched = readTransfer(this, transfer, chip.bus);
    chip.turns.left -= 1 + ring.walked - walked;
    if (ring.walked > TRBS_PER_DOORBELL || fetched === Fetched.broken) {
      this.#refuse(transfer);
    } else if (fetched === Fetched.trb) {
      describe(transfer, this);
      this.#resume(transfer);
    } else {
      ring.goBack(dequeue, cycle, walked);
      chip.memory.putBack(transfer);
      this.#ranDry();
      return false;
    }
    const length = transfer.refusal === 0 ? transfer.bytesOfMemory : 0;
    if (!chip.memory.provide(transfer, length, device?.device, this)) {
      ring.goBack(dequeue, cycle, walked);
      chip.memory.putBack(transfer);
      return false;
    }
    this.#resumeAt = -1;
    this.#underWay.push(transfer);
    this.#submit(transfer);
    return true;
  }

  #submit(transfer: Transfer): void {
    const { chip, device } = this.slot;
    this.#dryIsTold = false;
    if (transfer.refusal === 0 && transfer.hasUrb) {
      fill(transfer, chip.bus);
      transfer.skipResumed();
    }
    if (transfer.refusal !== 0) {
      this.#isAtEnd = true;
      transfer.hasEnded = true;
    } else if (!transfer.hasUrb || this.#watch?.answer(transfer) === true) {
      transfer.hasEnded = true;
    } else if (device === undefined) {
      transfer.urb.status = TransferStatus.disconnected;
      transfer.hasEnded = true;
    } else {
      device.submit(transfer);
    }
    if (transfer.hasEnded) this.#settle();
  }

  /** The ring is broken where it was read. */
  #refuse(transfer: Transfer): void {
    if (transfer.count === 0) transfer.appendNothing(this.ring);
    transfer.refuse(CompletionCode.TRB, transfer.count - 1);
  }

  /** A TD that was stopped in the midst goes on behind what had moved. */
  #resume(transfer: Transfer): void {
    if (transfer.addresses[0] !== this.#resumeAt) return;
    transfer.resumed = Math.min(this.#resumeBytes, transfer.bytes);
  }

  #ranDry(): void {
    if (!this.isIsochronous || this.#dryIsTold || this.#underWay.count > 0) return;
    this.#dryIsTold = true;
    const code = isIn(this.address) ? CompletionCode.RING_OVERRUN : CompletionCode.RING_UNDERRUN;
    this.postTransfer(0, 0, 0, code << 24, 0, false);
  }

  /** Reports what has ended, oldest first. */
  #settle(): void {
    const { chip } = this.slot;
    if (!chip.isRunning || chip.isPaused) return;
    for (let first = this.#underWay.first; first?.hasEnded === true; first = this.#underWay.first) {
      if (this.#stopped !== undefined && first.wasCancelled) break;
      this.#underWay.shift();
      this.#finish(first);
    }
    if (this.#stopped !== undefined && this.#underWay.haveAllEnded) this.#finishStop(this.#stopped);
  }

  #finish(transfer: Transfer): void {
    const { chip } = this.slot;
    const code = reportEnded(transfer, this, chip.bus);
    if (code !== SUCCESS && (!this.isIsochronous || code === CompletionCode.TRB)) {
      this.#goBackTo(transfer, 0);
      // A driver that tries again without moving the ring goes on behind what had moved (Transfer State Preserve).
      if (code === CompletionCode.TRANSACTION) this.#keepMoved(transfer);
      this.#giveUp();
      this.#state = code === CompletionCode.TRB ? EndpointState.error : EndpointState.halted;
      this.show();
      chip.checkBus();
    }
    chip.memory.release(transfer);
  }

  #finishStop(done: (code: number) => void): void {
    this.#stopped = undefined;
    if (this.#state !== EndpointState.running) {
      done(CONTEXT_STATE);
      return;
    }
    const { chip } = this.slot;
    const first = this.#underWay.shift();
    if (first !== undefined) {
      const trb = reportStopped(first, this, chip.bus);
      const next = this.#underWay.first;
      if (trb < first.count) this.#goBackTo(first, trb);
      else if (next !== undefined) this.#goBackTo(next, 0);
      this.#keepMoved(first);
      chip.memory.release(first);
    }
    this.#giveUp();
    this.#state = EndpointState.stopped;
    this.show();
    chip.checkBus();
    done(SUCCESS);
  }

  #giveUp(): void {
    this.#isAtEnd = false;
    this.#underWay.giveUp();
  }

  #goBackTo(transfer: Transfer, trb: number): void {
    this.ring.move(transfer.addresses[trb]!, transfer.control(trb) & TrbBit.C);
  }

  #keepMoved(transfer: Transfer): void {
    if (this.type === TransferType.control || this.isIsochronous || !transfer.hasUrb) return;
    this.#resumeAt = transfer.addresses[0]!;
    this.#resumeBytes = movedBytes(transfer);
  }
}
