/** No bus id begins with a letter and has none of `:`, `-`, `.` that a hub of this machine could have. */
export const NICKNAME = "^[A-Za-z][A-Za-z0-9_]{0,30}$";

export function isNickname(text: string): boolean {
  return new RegExp(NICKNAME).test(text);
}
