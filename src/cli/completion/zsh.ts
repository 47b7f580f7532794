import type { CommandOutline, OutlinedOption } from "../command-outline.ts";
import { everyCommand } from "./every-command.ts";

/** A function for each command, by `_arguments` of zsh's completion system. */
export function zshCompletion(root: CommandOutline, gadgets: readonly string[]): string {
  return `#compdef usbferry
# zsh completion of usbferry
${everyCommand(root)
  .map((command) => functionOf(command, gadgets))
  .join("\n")}
if [ "$funcstack[1]" = "_usbferry" ]; then _usbferry "$@"; else compdef _usbferry usbferry; fi
`;
}

function nameOf(path: readonly string[]): string {
  return ["_usbferry", ...path].join("_");
}

function functionOf(
  { path, commands, options, choices, takesFile }: CommandOutline,
  gadgets: readonly string[],
): string {
  const flags = options.flatMap((option) => optionOf(option, gadgets));
  if (commands.length === 0) {
    const rest = choices.length > 0 ? `:(${choices.join(" ")})` : takesFile ? ":_files" : ":";
    return `${nameOf(path)}() {
  _arguments -s ${[...flags, `'*: ${rest}'`].join(" ")}
}`;
  }
  const described = commands.map((sub) =>
    quoted(`${sub.path.at(-1)!}:${sub.description.replaceAll(":", "\\:")}`),
  );
  return `${nameOf(path)}() {
  local curcontext="$curcontext" state line
  _arguments -C ${[...flags, "'1: :->command'", "'*:: :->rest'"].join(" ")}
  case $state in
    command) local -a commands=(${described.join(" ")}); _describe -t commands 'usbferry command' commands ;;
    rest) case $line[1] in
${commands.map((sub) => `      ${sub.path.at(-1)!}) ${nameOf(sub.path)} ;;`).join("\n")}
    esac ;;
  esac
}`;
}

function optionOf(
  { flags, description, value, choices }: OutlinedOption,
  gadgets: readonly string[],
): readonly string[] {
  const said = description.replaceAll(/[[\]:\\]/g, "\\$&");
  return flags.map((flag) => quoted(`*${flag}[${said}]${completionOf(value, choices, gadgets)}`));
}

function completionOf(
  value: OutlinedOption["value"],
  choices: readonly string[],
  gadgets: readonly string[],
): string {
  if (choices.length > 0) return `: :(${choices.join(" ")})`;
  switch (value) {
    case "none":
      return "";
    case "file":
      return ": :_files";
    case "folder":
      return ": :_files -/";
    case "gadget":
      return `: :(${gadgets.join(" ")})`;
    case "other":
      return ": :";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
