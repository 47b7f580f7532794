import { printAddress } from "../../links/address.ts";
import type { ControlPlace } from "../api/control-place.ts";
import { Failed } from "../failure.ts";
import { type StateFolder, StateHeld } from "../state/state-folder.ts";
import { HostPolicy } from "./host-policy.ts";
import { type ListedRule, listRules, type Policy, RULES, RuleBook } from "./rule-book.ts";

/**
 * Works on the rules from outside of a host: through the host that keeps them, if one runs, which is controlled at
 * `place`; else on the files of the folder. Rejects with what `work` rejects with, and with Failed.
 */
export async function policyThrough<T>(
  folder: StateFolder,
  place: ControlPlace | undefined,
  work: (policy: Policy) => Promise<T>,
): Promise<T> {
  const opened = await folder.open(RULES).catch((error: unknown) => {
    if (error instanceof StateHeld) return error;
    throw error;
  });
  if (opened instanceof StateHeld) {
    const host = await hostOf(folder, place);
    if (host === undefined) throw hostRuns(opened, folder, place);
    return work(host);
  }
  try {
    return await work(new RuleBook(opened.store));
  } finally {
    await opened.close();
  }
}

/** The rules, whoever keeps them: those of the host that is controlled at `place`, else the folder's. */
export async function readPolicy(
  folder: StateFolder,
  place: ControlPlace | undefined,
): Promise<readonly ListedRule[]> {
  const host = await hostOf(folder, place);
  return host === undefined ? listRules(await folder.read(RULES)) : host.list();
}

/** Another host of this machine may keep its rules elsewhere. */
async function hostOf(folder: StateFolder, place: ControlPlace | undefined): Promise<HostPolicy | undefined> {
  const host = place === undefined ? undefined : await HostPolicy.at(place);
  return host?.stateFolder === folder.path ? host : undefined;
}

/** The failure of who wants to change what that host keeps. */
export function hostRuns(
  { heldBy }: StateHeld,
  { path }: StateFolder,
  place: ControlPlace | undefined,
): Failed {
  const who = heldBy === undefined ? "a host" : `the host with process id ${heldBy}`;
  const where = place === undefined ? "there is no control socket here" : `not at ${printAddress(place)}`;
  return new Failed(
    `${who} runs and keeps ${path}, and it is not controlled here (${where}). Name its control socket ` +
      "with --control PATH, as its --control says.",
  );
}
