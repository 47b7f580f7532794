import { isNickname } from "./nickname.ts";
import type { StateFolder } from "./state-folder.ts";

/** What a DEV of the command line stands for: itself, unless it is a nickname. */
export async function deviceNamed(text: string, folder: StateFolder): Promise<string> {
  if (!isNickname(text)) return text;
  // With the schemas, which most commands do without.
  const { NICKNAMES } = await import("./nicknames.ts");
  const { nicknames } = await folder.read(NICKNAMES);
  return Object.hasOwn(nicknames, text) ? nicknames[text]! : text;
}
