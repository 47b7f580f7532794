const SMALLEST = 16;

/**
 * A queue that makes no garbage: an array that is shifted and pushed in turn gives its storage away and takes
 * new one. It grows to the most that were in it at a time.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = Array.from({ length: SMALLEST });
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The oldest. */
  get first(): T | undefined {
    return this.#items[this.#start];
  }

  /** The `index`th from the oldest; nothing beyond the youngest. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#items[this.#place(index)] : undefined;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[this.#place(this.#length++)] = item;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#start];
    this.#items[this.#start] = undefined;
    this.#start = this.#place(1);
    this.#length--;
    return item;
  }

  pop(): T | undefined {
    if (this.#length === 0) return undefined;
    const place = this.#place(--this.#length);
    const item = this.#items[place];
    this.#items[place] = undefined;
    return item;
  }

  /** -1 if it is not in the queue. */
  indexOf(item: T): number {
    for (let index = 0; index < this.#length; index++) if (this.at(index) === item) return index;
    return -1;
  }

  /** Takes one out of the middle. */
  removeAt(index: number): void {
    for (let i = index; i < this.#length - 1; i++) {
      this.#items[this.#place(i)] = this.#items[this.#place(i + 1)];
    }
    this.pop();
  }

  #place(index: number): number {
    return (this.#start + index) & (this.#items.length - 1);
  }

  #grow(): void {
    const grown: (T | undefined)[] = Array.from({ length: this.#items.length * 2 });
    for (let index = 0; index < this.#length; index++) grown[index] = this.at(index);
    this.#items = grown;
    this.#start = 0;
  }
}
