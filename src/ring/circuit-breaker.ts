import { TransferStatus } from "../usb/urb.ts";
import type { BreakerLimits } from "./limits.ts";

/** Why a breaker has opened, as CIRCUIT_BREAKER_TRIP tells. */
export const TripReason = { HARDWARE: 0, PROTOCOL: 1, CONSECUTIVE: 2, PROBE: 3 } as const;
export type TripReason = (typeof TripReason)[keyof typeof TripReason];

const { timeout, protocol, crc, overflow, underrun, overrun } = TransferStatus;

/** The bus or the device failed. A STALL is an answer, a short packet too; a cancelled transfer tells nothing. */
function isHardwareError(status: TransferStatus): boolean {
  switch (status) {
    case timeout:
    case protocol:
    case crc:
    case overflow:
    case underrun:
    case overrun:
      return true;
    default:
      return false;
  }
}

/** What a breaker tells of itself. */
export interface BreakerOutput {
  tripped(reason: TripReason, errors: number): void;
  mended(): void;
}

/**
 * Keeps requests from a device that only fails, or from a guest that only sends nonsense. Closed: all pass. Open: none,
 * for a while. Half open: some pass, and their ends decide; each that tells nothing gives its place to another one.
 */
export class CircuitBreaker {
  readonly #limits: BreakerLimits;
  readonly #output: BreakerOutput;
  readonly #hardware: ErrorWindow;
  readonly #protocol: ErrorWindow;
  #consecutive = 0;
  #state: "closed" | "open" | "half open" = "closed";
  #openedMs = 0;
  /** Half open: transfers that passed and have not ended, and those that ended well. */
  #probing = 0;
  #succeeded = 0;

  constructor(limits: BreakerLimits, output: BreakerOutput) {
    this.#limits = limits;
    this.#output = output;
    this.#hardware = new ErrorWindow(limits.hardwareErrors, limits.windowMs);
    this.#protocol = new ErrorWindow(limits.protocolErrors, limits.windowMs);
  }

  get state(): "closed" | "open" | "half open" {
    return this.#state;
  }

  /** Whether a transfer may pass; if so, `ended` is to follow. */
  passes(nowMs: number): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "open") {
      if (nowMs - this.#openedMs < this.#limits.cooldownMs) return false;
      this.#state = "half open";
      this.#probing = 0;
      this.#succeeded = 0;
    }
    if (this.#probing + this.#succeeded >= this.#limits.probes) return false;
    this.#probing++;
    return true;
  }

  ended(status: TransferStatus, nowMs: number): void {
    if (isHardwareError(status)) {
      this.#consecutive++;
      this.#hardware.add(nowMs);
      if (this.#state === "half open") this.#trip(TripReason.PROBE, nowMs);
      else if (this.#state === "closed") this.#judge(nowMs);
      return;
    }
    const isAnswer =
      status === TransferStatus.ok || status === TransferStatus.stall || status === TransferStatus.short;
    if (isAnswer) this.#consecutive = 0;
    // Those from before it opened are not counted.
    if (this.#state !== "half open" || this.#probing === 0) return;
    this.#probing--;
    if (isAnswer && ++this.#succeeded >= this.#limits.probes) this.#mend();
  }

  /** The guest asked for something that cannot be. */
  protocolError(nowMs: number): void {
    this.#protocol.add(nowMs);
    if (this.#state !== "open") this.#judge(nowMs);
  }

  #judge(nowMs: number): void {
    if (this.#protocol.isFull(nowMs)) this.#trip(TripReason.PROTOCOL, nowMs);
    else if (this.#hardware.isFull(nowMs)) this.#trip(TripReason.HARDWARE, nowMs);
    else if (this.#consecutive >= this.#limits.consecutiveErrors) this.#trip(TripReason.CONSECUTIVE, nowMs);
  }

  #trip(reason: TripReason, nowMs: number): void {
    const { hardwareErrors, protocolErrors } = this.#limits;
    const errors = {
      [TripReason.HARDWARE]: hardwareErrors,
      [TripReason.PROTOCOL]: protocolErrors,
      [TripReason.CONSECUTIVE]: this.#consecutive,
      [TripReason.PROBE]: this.#consecutive,
    }[reason];
    this.#state = "open";
    this.#openedMs = nowMs;
    this.#hardware.clear();
    this.#protocol.clear();
    this.#consecutive = 0;
    this.#output.tripped(reason, errors);
  }

  #mend(): void {
    this.#state = "closed";
    this.#output.mended();
  }
}

/** Times of the last errors, as many as are too many. */
class ErrorWindow {
  readonly #timesMs: Float64Array;
  readonly #windowMs: number;
  #next = 0;
  #count = 0;

  constructor(most: number, windowMs: number) {
    this.#timesMs = new Float64Array(most);
    this.#windowMs = windowMs;
  }

  add(nowMs: number): void {
    this.#timesMs[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#timesMs.length;
    this.#count = Math.min(this.#count + 1, this.#timesMs.length);
  }

  /** Too many within the window: the oldest of them is not older. */
  isFull(nowMs: number): boolean {
    const most = this.#timesMs.length;
    return this.#count === most && nowMs - this.#timesMs[this.#next]! <= this.#windowMs;
  }

  clear(): void {
    this.#count = 0;
    this.#next = 0;
  }
}
