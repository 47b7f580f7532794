import { ENDPOINT_SLOTS, endpointSlot } from "./endpoint-slot.ts";

/** Something for each endpoint address that a device can have: looked at for every transfer. */
export class EndpointTable<T> {
  readonly #slots: (T | undefined)[] = Array.from({ length: ENDPOINT_SLOTS });

  /** Nothing for an address that no endpoint can have. */
  get(address: number): T | undefined {
    return (address & ~0x8f) === 0 ? this.#slots[endpointSlot(address)] : undefined;
  }

  set(address: number, item: T): void {
    this.#slots[endpointSlot(address)] = item;
  }

  delete(address: number): void {
    this.#slots[endpointSlot(address)] = undefined;
  }

  clear(): void {
    this.#slots.fill(undefined);
  }

  /** In the order of `endpointSlot`. */
  all(): T[] {
    return this.#slots.filter((item) => item !== undefined);
  }
}
