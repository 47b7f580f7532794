/** Who wants to know that something has changed, and looks for themselves at what. */
export class Watchers {
  readonly #watchers = new Set<() => void>();

  /** The answer ends it. */
  add(changed: () => void): () => void {
    // The same function may be added twice.
    const watcher = (): void => changed();
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
