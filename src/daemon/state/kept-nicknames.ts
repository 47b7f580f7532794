import { NICKNAMES, Nicknames } from "./nicknames.ts";
import type { StateFolder } from "./state-folder.ts";

/** The nicknames of a folder, which no process keeps to itself: each change takes and leaves them. */
export class KeptNicknames {
  readonly #folder: StateFolder;

  constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /** By their names. Rejects with Failed if they are damaged. */
  async list(): Promise<readonly { readonly name: string; readonly device: string }[]> {
    const { nicknames } = await this.#folder.read(NICKNAMES);
    return Object.keys(nicknames)
      .toSorted()
      .map((name) => ({ name, device: nicknames[name]! }));
  }

  /** Rejects with WrongUsage or Failed. */
  set(name: string, device: string): Promise<void> {
    return this.#change((nicknames) => nicknames.set(name, device));
  }

  /** Rejects with Failed. */
  remove(name: string): Promise<void> {
    return this.#change((nicknames) => nicknames.remove(name));
  }

  async #change(work: (nicknames: Nicknames) => Promise<void>): Promise<void> {
    const { store, close } = await this.#folder.open(NICKNAMES);
    try {
      await work(new Nicknames(store));
    } finally {
      await close();
    }
  }
}
