import type { UsbHost } from "./device.ts";
import type { Loop } from "./loop.ts";
import type { Urb } from "./urb.ts";

/**
 * Finished URBs on their way to the host, from open to close. They are delivered in rounds, so that nothing
 * recurses: what finishes while a round runs is part of the next one, which begins when everything else on
 * the loop has had its turn.
 */
export class CompletionRounds {
  readonly #host: UsbHost;
  readonly #loop: Loop;
  /** Those of the next round, and the places of the last one: an array that is emptied gives its storage away. */
  #finished: Urb[] = [];
  #count = 0;
  #spare: Urb[] = [];
  #held = false;
  #delivering = false;
  #asked = false;
  readonly #deliverDue = (): void => {
    this.#asked = false;
    this.#deliver();
  };

  constructor(host: UsbHost, loop: Loop) {
    this.#host = host;
    this.#loop = loop;
  }

  /** Until `release`, `add` asks for no round: the host's own `flush` follows. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
  }

  add(urb: Urb): void {
    this.#finished[this.#count++] = urb;
    if (!this.#held) this.#ask();
  }

  /** Runs a round, now or as soon as the present one is over. */
  flush(): void {
    if (this.#delivering) this.#ask();
    else this.#deliver();
  }

  /** Runs `then` when everything has been delivered; never inside the caller. */
  settle(then: () => void): void {
    this.#loop.soon(() => {
      this.#deliver();
      if (this.#count > 0) this.settle(then);
      else then();
    });
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#loop.soon(this.#deliverDue);
  }

  #deliver(): void {
    const round = this.#finished;
    const count = this.#count;
    if (count === 0) return;
    this.#finished = this.#spare;
    this.#spare = round;
    this.#count = 0;
    this.#delivering = true;
    for (let i = 0; i < count; i++) this.#host.complete(round[i]!);
    this.#delivering = false;
    if (this.#count > 0) this.#ask();
  }
}
