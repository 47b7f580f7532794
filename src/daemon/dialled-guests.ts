import type { LinkAddress } from "../links/listen.ts";
import type { Dialler } from "./dialler.ts";

/** The waiting guests that a host dials, by the address that was asked for. */
export class DialledGuests {
  readonly #dial: (address: LinkAddress) => Dialler;
  readonly #diallers = new Map<string, Dialler>();

  /** `dial` makes what dials one of them. */
  constructor(dial: (address: LinkAddress) => Dialler) {
    this.#dial = dial;
  }

  get places(): readonly string[] {
    return Array.from(this.#diallers.keys());
  }

  /** Dials these from now on, and no others. */
  follow(guests: ReadonlyMap<string, LinkAddress>): void {
    for (const [place, dialler] of this.#diallers) {
      if (guests.has(place)) continue;
      dialler.stop();
      this.#diallers.delete(place);
    }
    for (const [place, address] of guests) {
      if (this.#diallers.has(place)) continue;
      const dialler = this.#dial(address);
      this.#diallers.set(place, dialler);
      dialler.start();
    }
  }

  stop(): void {
    for (const dialler of this.#diallers.values()) dialler.stop();
  }
}
