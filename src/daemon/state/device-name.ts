import type { StateFolder } from "./state-folder.ts";

/** No bus id begins with a letter and has none of `:`, `-`, `.` that a hub of this machine could have. */
export const NICKNAME = "^[A-Za-z][A-Za-z0-9_]{0,30}$";

/** What a DEV of the command line stands for: itself, unless it is a nickname. */
export async function deviceNamed(text: string, folder: StateFolder): Promise<string> {
  if (!isNickname(text)) return text;
  // With the schemas, which most commands do without.
  const { NICKNAMES } = await import("./nicknames.ts");
  const { nicknames } = await folder.read(NICKNAMES);
  return Object.hasOwn(nicknames, text) ? nicknames[text]! : text;
}

export function isNickname(text: string): boolean {
  return new RegExp(NICKNAME).test(text);
}
