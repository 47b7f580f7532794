/** The first wait after something that led to nothing; each further one is twice as long. */
const FIRST_MS = 250;
const LONGEST_MS = 10_000;

/** Waits between tries. Those who were disturbed together do not try in step: half of each wait is random. */
export class BackOff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  nextMs(): number {
    const longestMs = Math.min(FIRST_MS * 2 ** Math.min(this.#failures, 16), LONGEST_MS);
    this.#failures++;
    return longestMs * (0.5 + this.#random() / 2);
  }

  /** It led to something: the next wait is short again. */
  reset(): void {
    this.#failures = 0;
  }
}
