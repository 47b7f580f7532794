const WORD = "alias ";
/** Where the literal part of a pattern ends. */
const WILDCARD = /[*?[]|$/;

/**
 * The modules of `modules.alias` whose pattern fits an alias. A pattern is one of fnmatch(3), as modprobe reads it:
 * `*`, `?` and `[a-b]`.
 */
export function modulesForAlias(aliases: string, modalias: string): readonly string[] {
  const modules = new Set<string>();
  for (const line of aliases.split("\n")) {
    if (!line.startsWith(WORD)) continue;
    const end = line.indexOf(" ", WORD.length);
    const pattern = line.slice(WORD.length, end);
    // Most of tens of thousands name another device before their first wildcard.
    if (!modalias.startsWith(pattern.slice(0, pattern.search(WILDCARD)))) continue;
    if (expression(pattern).test(modalias)) modules.add(line.slice(end + 1).replaceAll("-", "_"));
  }
  return Array.from(modules);
}

function expression(pattern: string): RegExp {
  const source = pattern
    .replace(/[\\^$.|+(){}]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}
