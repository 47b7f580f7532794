import { Failed } from "../failure.ts";
import { type StateFolder, StateHeld } from "../state/state-folder.ts";
import { listRules, type Policy, RULES, RuleBook } from "./rule-book.ts";

/**
 * Works on the rules from outside of a host: those of the folder, for as long as no host keeps them. Rejects with
 * what `work` rejects with, and with Failed if the folder cannot be used.
 */
export async function policyThrough<T>(
  folder: StateFolder,
  work: (policy: Policy) => Promise<T>,
): Promise<T> {
  const { store, close } = await folder.open(RULES).catch((error: unknown) => {
    throw error instanceof StateHeld ? hostRuns(error, folder) : error;
  });
  try {
    return await work(new RuleBook(store));
  } finally {
    await close();
  }
}

/** The rules of the folder, whoever keeps them. */
export async function readPolicy(folder: StateFolder): Promise<ReturnType<typeof listRules>> {
  return listRules(await folder.read(RULES));
}

function hostRuns({ heldBy }: StateHeld, { path }: StateFolder): Failed {
  const who = heldBy === undefined ? "a host" : `the host with process id ${heldBy}`;
  return new Failed(
    `${who} runs and keeps the rules in ${path}, and changing them through it is not built yet. Stop it, change the ` +
      "rules and start it again; or write them into its configuration and reload it (SIGHUP).",
  );
}
