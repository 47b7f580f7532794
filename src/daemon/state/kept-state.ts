import type { Log } from "../log.ts";
import { FollowedState } from "./followed-state.ts";
import { FolderUnusable, type StateFolder, StateHeld } from "./state-folder.ts";
import type { ChangeableState, StateKind } from "./state-store.ts";

/** A state of a host for as long as it runs. */
export interface KeptState<T> {
  readonly store: ChangeableState<T>;
  readonly close: () => Promise<void>;
  /** Logs what is out of the ordinary; once the host runs. */
  readonly tell: () => void;
}

/**
 * Takes a state of the folder. One that another process keeps is followed, and cannot be changed here: `changed` runs
 * when that process has changed it. Where nothing can be kept, and nobody has asked for that folder, it is empty. Rejects
 * with Failed if it is damaged: a rule that denies must not be lost.
 */
export async function openKept<T>(
  folder: StateFolder,
  kind: StateKind<T>,
  log: Log,
  changed: () => void = () => {},
): Promise<KeptState<T>> {
  try {
    const { store, close } = await folder.open(kind);
    return { store, close, tell: () => {} };
  } catch (error) {
    if (error instanceof StateHeld) return follow(folder, kind, error, log, changed);
    if (!(error instanceof FolderUnusable) || folder.isChosen) throw error;
    return withoutFolder(folder, kind, error, log);
  }
}

async function follow<T>(
  folder: StateFolder,
  kind: StateKind<T>,
  held: StateHeld,
  log: Log,
  changed: () => void,
): Promise<KeptState<T>> {
  const path = folder.fileOf(kind);
  const damaged = ({ message }: Error): void =>
    log.warn({ code: "STATE_DAMAGED", path }, `STATE_DAMAGED It stays as it was: ${message}`);
  const store = await FollowedState.open(path, kind, held, damaged, changed);
  const tell = (): void =>
    log.info(
      { code: "STATE_FOLLOWED", path, pid: held.heldBy },
      `STATE_FOLLOWED another usbferry keeps ${path}; this one follows it and changes nothing`,
    );
  return { store, close: async () => store.close(), tell };
}

async function withoutFolder<T>(
  folder: StateFolder,
  kind: StateKind<T>,
  unusable: FolderUnusable,
  log: Log,
): Promise<KeptState<T>> {
  const value = await folder.read(kind);
  const tell = (): void =>
    log.warn({ code: "STATE_NOT_KEPT", path: folder.path }, `STATE_NOT_KEPT ${unusable.message}`);
  return { store: { value, change: () => Promise.reject(unusable) }, close: async () => {}, tell };
}
