import type { Log } from "../log.ts";
import { FollowedState } from "../state/followed-state.ts";
import { FolderUnusable, type OpenState, type StateFolder, StateHeld } from "../state/state-folder.ts";
import type { ChangeableState } from "../state/state-store.ts";
import { RULES, type RulesState } from "./rule-book.ts";

/** The rules of a host for as long as it runs. */
export interface OpenRules {
  readonly store: ChangeableState<RulesState>;
  readonly close: () => Promise<void>;
  /** Logs what is out of the ordinary; once the host runs. */
  readonly tell: () => void;
}

/**
 * Takes the rules of the folder. Those that another process keeps are followed, and cannot be changed here; where
 * nothing can be kept, and nobody has asked for that folder, there are none. Rejects with Failed if they are
 * damaged: a rule that denies must not be lost.
 */
export async function openRules(folder: StateFolder, log: Log): Promise<OpenRules> {
  try {
    const { store, close }: OpenState<RulesState> = await folder.open(RULES);
    return { store, close, tell: () => {} };
  } catch (error) {
    if (error instanceof StateHeld) return follow(folder, error, log);
    if (!(error instanceof FolderUnusable) || folder.isChosen) throw error;
    return withoutFolder(folder, error, log);
  }
}

async function follow(folder: StateFolder, held: StateHeld, log: Log): Promise<OpenRules> {
  const path = folder.fileOf(RULES);
  const store = await FollowedState.open(path, RULES, held, ({ message }) =>
    log.warn({ code: "STATE_DAMAGED", path }, `STATE_DAMAGED The rules stay as they were: ${message}`),
  );
  const tell = (): void =>
    log.info(
      { code: "STATE_FOLLOWED", path, pid: held.heldBy },
      `STATE_FOLLOWED another usbferry keeps ${path}; this one follows its rules and changes none`,
    );
  return { store, close: async () => store.close(), tell };
}

async function withoutFolder(folder: StateFolder, unusable: FolderUnusable, log: Log): Promise<OpenRules> {
  const value = await folder.read(RULES);
  const tell = (): void =>
    log.warn({ code: "STATE_NOT_KEPT", path: folder.path }, `STATE_NOT_KEPT ${unusable.message}`);
  return { store: { value, change: () => Promise.reject(unusable) }, close: async () => {}, tell };
}
