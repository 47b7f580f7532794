/**
 * The modules of `modules.alias` whose pattern fits an alias. A pattern is one of fnmatch(3), as modprobe reads it:
 * `*`, `?` and `[a-b]`.
 */
export function modulesForAlias(aliases: string, modalias: string): readonly string[] {
  const bus = modalias.slice(0, modalias.indexOf(":") + 1);
  const modules = new Set<string>();
  for (const line of aliases.split("\n")) {
    const [word, pattern, module] = line.split(" ");
    if (word !== "alias" || module === undefined || !pattern!.startsWith(bus)) continue;
    if (expression(pattern!).test(modalias)) modules.add(module.replaceAll("-", "_"));
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
