import type { Log } from "../log.ts";
import { RULES, type RulesState } from "../rules/rule-book.ts";
import { BINDS, type BindsState } from "./binds.ts";
import { type ClaimsState, DRIVER_CLAIMS } from "./driver-claims.ts";
import { type KeptState, openKept } from "./kept-state.ts";
import { FolderUnusable, type OpenState, type StateFolder, StateHeld } from "./state-folder.ts";

/** What a host keeps on disk, for as long as it runs. */
export interface HostStates {
  readonly rules: KeptState<RulesState>;
  readonly binds: KeptState<BindsState>;
  /** Those of this process: another host of the folder keeps its own. */
  readonly claims: OpenState<ClaimsState> | undefined;
}

/** `changed` runs when another host of the folder has changed what this one follows. Rejects as `openKept` does. */
export async function openStates(folder: StateFolder, log: Log, changed: () => void): Promise<HostStates> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    const rules = await openKept(folder, RULES, log, changed);
    opened.push(rules);
    const binds = await openKept(folder, BINDS, log, changed);
    opened.push(binds);
    return { rules, binds, claims: await openClaims(folder) };
  } catch (error) {
    await Promise.all(opened.map((each) => each.close()));
    throw error;
  }
}

export async function closeStates({ rules, binds, claims }: HostStates): Promise<void> {
  await Promise.all([rules.close(), binds.close(), claims?.close()]);
}

/** Nothing where they cannot be kept: then nobody repairs what this host leaves when it is killed. */
export async function openClaims(folder: StateFolder): Promise<OpenState<ClaimsState> | undefined> {
  try {
    return await folder.open(DRIVER_CLAIMS);
  } catch (error) {
    if (error instanceof StateHeld || (error instanceof FolderUnusable && !folder.isChosen)) return undefined;
    throw error;
  }
}
