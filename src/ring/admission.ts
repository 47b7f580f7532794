import type { TransferStatus } from "../usb/urb.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { RingLimits } from "./limits.ts";
import { MessageType } from "./messages.ts";
import { Status } from "./status.ts";
import { TokenBucket } from "./token-bucket.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { OK, NO_RESOURCE, RATE_LIMITED, CIRCUIT_BREAK } = Status;

/** Whether one more request of a device may pass, however sound it is: how many there are, how fast they come, how they end. */
export class Admission {
  readonly #most: number;
  readonly #clock: Float64Array;
  readonly #bucket: TokenBucket;
  readonly #breaker: CircuitBreaker;

  /** `clock`: one number, the time of what goes on. `told`: the guest is to be told, by a message of this type. */
  constructor(
    limits: RingLimits,
    clock: Float64Array,
    told: (type: number, reason: number, errors: number) => void,
  ) {
    this.#most = limits.urbs;
    this.#clock = clock;
    this.#bucket = new TokenBucket(limits.rate, clock[0]!);
    this.#breaker = new CircuitBreaker(limits.breaker, {
      tripped: (reason, errors) => told(MessageType.CIRCUIT_BREAKER_TRIP, reason, errors),
      mended: () => told(MessageType.CIRCUIT_BREAKER_RESET, 0, 0),
    });
  }

  /** `OK`, or the status of the ring that it is refused with. One that passes has to end. */
  ask(inFlight: number): number {
    if (inFlight >= this.#most) return NO_RESOURCE;
    const nowMs = this.#clock[0]!;
    if (!this.#bucket.take(nowMs)) return RATE_LIMITED;
    return this.#breaker.passes(nowMs) ? OK : CIRCUIT_BREAK;
  }

  /** One that passed has ended. */
  ended(status: TransferStatus): void {
    this.#breaker.ended(status, this.#clock[0]!);
  }

  /** The guest asked for something that cannot be. */
  nonsense(): void {
    this.#breaker.protocolError(this.#clock[0]!);
  }
}
