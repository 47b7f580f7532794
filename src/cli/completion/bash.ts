import type { CommandOutline, OutlinedOption } from "../command-outline.ts";
import { everyCommand } from "./every-command.ts";

/** For `complete`, which calls the function with the words so far in COMP_WORDS. */
export function bashCompletion(root: CommandOutline, gadgets: readonly string[]): string {
  const commands = everyCommand(root);
  return `# bash completion of usbferry
_usbferry() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path= i
  # bash cuts words at colons and equals signs, which addresses and gadgets have.
  if declare -F _get_comp_words_by_ref >/dev/null; then _get_comp_words_by_ref -n := -c word -p before; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
${commands
  .filter(({ path }) => path.length > 0)
  .map(({ path }) => `      "${["", ...path].join(" ")}") path="${["", ...path].join(" ")}" ;;`)
  .join("\n")}
    esac
  done
  COMPREPLY=()
  case "$path:$before" in
${commands.flatMap(valueCases(gadgets)).join("\n")}
  esac
  case "$path" in
${commands.map(wordCase).join("\n")}
  esac
}
complete -F _usbferry usbferry
`;
}

function valueCases(gadgets: readonly string[]): (command: CommandOutline) => readonly string[] {
  return ({ path, options }) =>
    options
      .filter(({ value }) => value !== "none")
      .map((option) => {
        const patterns = option.flags.map((flag) => `"${["", ...path].join(" ")}:${flag}"`).join("|");
        return `    ${patterns}) ${answer(option, gadgets)}; return ;;`;
      });
}

function answer({ value, choices }: OutlinedOption, gadgets: readonly string[]): string {
  if (choices.length > 0) return `COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word"))`;
  switch (value) {
    case "file":
      return 'COMPREPLY=($(compgen -f -- "$word"))';
    case "folder":
      return 'COMPREPLY=($(compgen -d -- "$word"))';
    case "gadget":
      return `COMPREPLY=($(compgen -W "${gadgets.join(" ")}" -- "$word"))`;
    default:
      return ":";
  }
}

function wordCase({ path, options, choices, takesFile, commands }: CommandOutline): string {
  const words = [...commands.map((sub) => sub.path.at(-1)!), ...choices];
  const flags = options.map(({ flags: [...all] }) => all.at(-1)!);
  const files = takesFile ? ' $(compgen -f -- "$word")' : "";
  return (
    `    "${path.length === 0 ? "" : ["", ...path].join(" ")}") case "$word" in ` +
    `-*) COMPREPLY=($(compgen -W "${flags.join(" ")}" -- "$word")) ;; ` +
    `*) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")${files}) ;; esac ;;`
  );
}
