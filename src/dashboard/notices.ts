/** What was done, or could not be done. */
export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isFailure: boolean;
}

/** Long enough to be read; failures stay until they are closed. */
const SHOWN_MS = 6_000;
const NOTICES = 4;

/** Short messages at the edge of the page, read out by screen readers. */
export class Notices {
  list: readonly Notice[] = [];
  #told = 0;
  readonly #listeners = new Set<() => void>();

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(text: string): void {
    const id = this.#add(text, false);
    setTimeout(() => this.close(id), SHOWN_MS);
  }

  fail(text: string): void {
    this.#add(text, true);
  }

  close(id: number): void {
    this.#become(this.list.filter((notice) => notice.id !== id));
  }

  #add(text: string, isFailure: boolean): number {
    const id = ++this.#told;
    const others = this.list.filter((notice) => notice.text !== text);
    this.#become([...others, { id, text, isFailure }].slice(-NOTICES));
    return id;
  }

  #become(list: readonly Notice[]): void {
    this.list = list;
    for (const listener of this.#listeners) listener();
  }
}
