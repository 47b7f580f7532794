/**
 * The simple commands of a shell line, each as its words: enough of a shell for what documents show. Redirections are left
 * out; a substitution stays in its word.
 */
export function simpleCommands(text: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  let word: string | undefined;
  let isRedirected = false;
  const endWord = (): void => {
    if (word !== undefined && !isRedirected) commands.at(-1)!.push(word);
    if (word !== undefined) isRedirected = false;
    word = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === "\\") {
      if (text[i + 1] !== "\n") word = (word ?? "") + (text[i + 1] ?? "");
      i++;
    } else if (character === "'" || character === '"') {
      const end = text.indexOf(character, i + 1);
      if (end < 0) throw new Error(`a quote does not end: ${text}`);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (character === "$" && text[i + 1] === "(") {
      const end = endOfSubstitution(text, i + 1);
      word = (word ?? "") + text.slice(i, end + 1);
      i = end;
    } else if (character === "#" && word === undefined) {
      const end = text.indexOf("\n", i);
      i = (end < 0 ? text.length : end) - 1;
    } else if (/\s/.test(character) || ";|&()".includes(character)) {
      if (character === "&" && isRedirected && word === undefined) continue;
      endWord();
      if (character === "\n" || ";|&()".includes(character)) commands.push([]);
    } else if (character === "<" || character === ">") {
      if (/^\d$/.test(word ?? "")) word = undefined;
      endWord();
      isRedirected = true;
      if (text[i + 1] === ">" || text[i + 1] === "<") i++;
    } else word = (word ?? "") + character;
  }
  endWord();
  return commands.filter((words) => words.length > 0);
}

function endOfSubstitution(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i;
  }
  throw new Error(`a substitution does not end: ${text}`);
}
