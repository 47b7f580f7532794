import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { Failed } from "../failure.ts";
import { type ChangeableState, readState, type StateKind } from "./state-store.ts";

/** A state that another process keeps: read again each time that one changes it. */
export class FollowedState<T> implements ChangeableState<T> {
  readonly #path: string;
  readonly #kind: StateKind<T>;
  readonly #refusal: Error;
  readonly #failed: (error: Error) => void;
  readonly #changed: () => void;
  #value: T;
  #watcher: FSWatcher | undefined;
  #reading = Promise.resolve();

  private constructor(
    path: string,
    kind: StateKind<T>,
    refusal: Error,
    failed: (error: Error) => void,
    changed: () => void,
    value: T,
  ) {
    this.#path = path;
    this.#kind = kind;
    this.#refusal = refusal;
    this.#failed = failed;
    this.#changed = changed;
    this.#value = value;
  }

  /** A change is rejected with `refusal`; `failed` hears why what was read last stays, `changed` that it was read anew. */
  static async open<T>(
    path: string,
    kind: StateKind<T>,
    refusal: Error,
    failed: (error: Error) => void,
    changed: () => void = () => {},
  ): Promise<FollowedState<T>> {
    const value = await readState(path, kind);
    const state = new FollowedState(path, kind, refusal, failed, changed, value);
    state.#watch();
    // It may have changed before it was watched.
    state.#reading = state.#reading.then(() => state.#read());
    await state.#reading;
    return state;
  }

  get value(): T {
    return this.#value;
  }

  change(): Promise<T> {
    return Promise.reject(this.#refusal);
  }

  close(): void {
    this.#watcher?.close();
  }

  #watch(): void {
    const file = basename(this.#path);
    try {
      // The folder: the file itself is replaced.
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_, name) => {
        if (name === null || name === file) this.#reading = this.#reading.then(() => this.#read());
      });
    } catch (cause) {
      throw new Failed(
        `changes of ${this.#path}, which another process keeps, cannot be followed: ${(cause as Error).message}. ` +
          "Raise fs.inotify.max_user_instances, or name another folder with --state-dir.",
        { cause },
      );
    }
    this.#watcher.on("error", this.#failed);
  }

  async #read(): Promise<void> {
    try {
      this.#value = await readState(this.#path, this.#kind);
      this.#changed();
    } catch (error) {
      this.#failed(error as Error);
    }
  }
}
