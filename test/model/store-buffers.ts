/**
 * In which order the stores of one thread reach the memory that others see.
 * - `sequential`: at once.
 * - `total`: in program order, later (x86: total store order).
 * - `weak`: in any order, later; only a release store waits for those before it, and stores to one cell keep their order.
 */
export type StoreOrder = "sequential" | "total" | "weak";

interface PendingStore {
  readonly cell: number;
  readonly value: number;
  readonly release: boolean;
}

/** More than the stores between two fences of any program here. */
const BUFFER_MAX = 4;

/** Memory that threads share, as each of them sees it through its own stores that have not left yet. */
export class StoreBuffers {
  readonly #order: StoreOrder;
  readonly #cells: number[];
  readonly #pending: PendingStore[][];

  private constructor(order: StoreOrder, cells: number[], pending: PendingStore[][]) {
    this.#order = order;
    this.#cells = cells;
    this.#pending = pending;
  }

  static of(order: StoreOrder, cells: readonly number[], threads: number): StoreBuffers {
    return new StoreBuffers(
      order,
      [...cells],
      Array.from({ length: threads }, () => []),
    );
  }

  copy(): StoreBuffers {
    return new StoreBuffers(
      this.#order,
      [...this.#cells],
      this.#pending.map((stores) => [...stores]),
    );
  }

  get key(): string {
    const pending = this.#pending.map((stores) =>
      stores.map(({ cell, value, release }) => `${cell}=${value}${release ? "!" : ""}`).join(),
    );
    return `${this.#cells.join()}|${pending.join("/")}`;
  }

  /** What everybody sees. */
  settled(cell: number): number {
    return this.#cells[cell]!;
  }

  load(thread: number, cell: number): number {
    return this.#pending[thread]!.findLast((store) => store.cell === cell)?.value ?? this.#cells[cell]!;
  }

  canStore(thread: number): boolean {
    return this.#pending[thread]!.length < BUFFER_MAX;
  }

  store(thread: number, cell: number, value: number, release: boolean): void {
    if (this.#order === "sequential") this.#cells[cell] = value;
    else this.#pending[thread]!.push({ cell, value, release });
  }

  /** All stores of the thread have left: what a fence, and every atomic exchange, waits for. */
  isDrained(thread: number): boolean {
    return this.#pending[thread]!.length === 0;
  }

  /** Stores that may leave next, as places in the thread's buffer. */
  leaving(thread: number): number[] {
    const stores = this.#pending[thread]!;
    if (stores.length === 0) return [];
    if (this.#order === "total") return [0];
    return stores.flatMap((store, place) => {
      const isFirst = place === 0;
      const waits = store.release || stores.findIndex(({ cell }) => cell === store.cell) !== place;
      return isFirst || !waits ? [place] : [];
    });
  }

  /** Lets one of them leave; tells which cell has which value now. */
  leave(thread: number, place: number): { readonly cell: number; readonly value: number } {
    const [store] = this.#pending[thread]!.splice(place, 1);
    this.#cells[store!.cell] = store!.value;
    return store!;
  }

  /** The thread is gone: what its processor has accepted still leaves, and what of it is lost nobody can tell. */
  drop(thread: number): void {
    this.#pending[thread] = [];
  }
}
