import type { UsbHost } from "./device.ts";
import { Fifo } from "./fifo.ts";
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
  readonly #finished = new Fifo<Urb>();
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
    this.#finished.push(urb);
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
      if (this.#finished.length > 0) this.settle(then);
      else then();
    });
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#loop.soon(this.#deliverDue);
  }

  #deliver(): void {
    if (this.#finished.length === 0) return;
    this.#delivering = true;
    for (let left = this.#finished.length; left > 0; left--) this.#host.complete(this.#finished.shift()!);
    this.#delivering = false;
    if (this.#finished.length > 0) this.#ask();
  }
}
