import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { Failed } from "../failure.ts";
import { LOCAL_DISK } from "./disk.ts";
import { StateLock } from "./state-lock.ts";
import { readState, type StateKind, StateStore } from "./state-store.ts";

/** Another process keeps this state; it may be read, not changed. */
export class StateHeld extends Failed {
  readonly heldBy: number | undefined;

  constructor(path: string, heldBy: number | undefined) {
    super(
      `${heldBy === undefined ? "another usbferry" : `the usbferry with process id ${heldBy}`} runs and keeps ${path}. ` +
        "Stop it first, or name another folder with --state-dir.",
    );
    this.heldBy = heldBy;
  }
}

/** A state that this process may change. */
export interface OpenState<T> {
  readonly store: StateStore<T>;
  /** Waits for changes on their way, and lets another process have it. */
  readonly close: () => Promise<void>;
}

/** The folder of the state: rules, wishes, nicknames, a file each. */
export class StateFolder {
  readonly path: string;
  /** It was asked for by name. */
  readonly isChosen: boolean;

  /** As named, or by USBFERRY_STATE, or that of the system or the user. */
  constructor(chosen?: string) {
    const { USBFERRY_STATE = "" } = process.env;
    const named = chosen ?? USBFERRY_STATE;
    this.isChosen = named !== "";
    this.path = this.isChosen ? resolve(named) : defaultFolder();
  }

  /** Rejects with StateHeld if another process has it, and with Failed if it is damaged or cannot be made. */
  async open<T>(kind: StateKind<T>): Promise<OpenState<T>> {
    const lock = await this.#lock(kind.file);
    try {
      const store = await StateStore.open(this.fileOf(kind), kind);
      return {
        store,
        close: async () => {
          await store.settled();
          lock.release();
        },
      };
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Reads a state, whoever has it. */
  read<T>(kind: StateKind<T>): Promise<T> {
    return readState(this.fileOf(kind), kind);
  }

  fileOf(kind: { readonly file: string }): string {
    return join(this.path, kind.file);
  }

  async #lock(file: string): Promise<StateLock> {
    let lock: ReturnType<typeof StateLock.take>;
    try {
      const first = mkdirSync(this.path, { recursive: true, mode: 0o700 });
      // A change is not durable in a folder that is not.
      if (first !== undefined) await LOCAL_DISK.syncFolder(dirname(first));
      lock = StateLock.take(join(this.path, file.replace(/\.json$/, ".lock")));
    } catch (cause) {
      throw new FolderUnusable(this.path, cause as Error);
    }
    if (lock instanceof StateLock) return lock;
    throw new StateHeld(this.path, lock.heldBy);
  }
}

/** Nothing can be kept there. */
export class FolderUnusable extends Failed {
  constructor(path: string, cause: Error) {
    super(
      `the state cannot be kept in ${path}: ${cause.message}. Run it as a user who may write there, or name another ` +
        "folder with --state-dir.",
      { cause },
    );
  }
}

function defaultFolder(): string {
  if (process.getuid?.() === 0) return "/var/lib/usbferry";
  const { XDG_STATE_HOME = "" } = process.env;
  // The specification has a relative path ignored (XDG Base Directory).
  const home = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), ".local/state");
  return join(home, "usbferry");
}
