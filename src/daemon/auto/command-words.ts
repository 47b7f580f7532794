import { WrongUsage } from "../failure.ts";

export const COMMAND_WORDS_MAX = 64;

/**
 * The program and the arguments that a text names: words with white space between, quotes and backslashes as in a
 * shell, and nothing else of one: no variables, no patterns, no pipes. Throws WrongUsage.
 */
export function commandWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    const isEscape = character === "\\" && quote !== "'" && i + 1 < text.length;
    if (isEscape && (quote === "" || /["\\]/.test(text[i + 1]!))) {
      word = (word ?? "") + text[++i]!;
    } else if (quote === "" ? /["']/.test(character) : character === quote) {
      quote = quote === "" ? character : "";
      word ??= "";
    } else if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") throw wrong(text, `the quote ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  if (words[0] === undefined || words[0] === "") throw wrong(text, "it names no program");
  if (words.length > COMMAND_WORDS_MAX) throw wrong(text, `it has more than ${COMMAND_WORDS_MAX} words`);
  if (text.includes("\0")) throw wrong(text, "no program takes a NUL");
  return words;
}

function wrong(text: string, why: string): WrongUsage {
  return new WrongUsage(
    `the command "${text.slice(0, 60).replace(/\p{Cc}/gu, "?")}" cannot be run: ${why}. Write a program and its ` +
      "arguments, for example --on-attach '/usr/local/bin/flash --fast'; for a shell: --on-attach \"sh -c '...'\".",
  );
}
