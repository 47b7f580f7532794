import type { CommandOutline, OutlinedOption } from "../command-outline.ts";
import { everyCommand } from "./every-command.ts";

/** Of fish, whose `complete` takes a condition for each line. */
export function fishCompletion(root: CommandOutline, gadgets: readonly string[]): string {
  const lines = everyCommand(root).flatMap((command) => linesOf(command, gadgets));
  return `# fish completion of usbferry
function __usbferry_at --description 'whether the words so far begin with these'
    set -l words (commandline -opc | string match --invert -- '-*')
    set -e words[1]
    set -l depth (count $argv)
    test $depth -eq 0; and return 0
    test (count $words) -ge $depth; and test "$words[1..$depth]" = "$argv"
end
complete -c usbferry -f
${lines.join("\n")}
`;
}

function linesOf(command: CommandOutline, gadgets: readonly string[]): readonly string[] {
  const { commands, choices, options, takesFile } = command;
  const words = [
    ...commands.map((sub) => `-a ${sub.path.at(-1)!} -d ${quoted(sub.description)}`),
    ...choices.map((choice) => `-a ${choice}`),
    ...options.map((option) => optionOf(option, gadgets)),
    ...(takesFile ? ["-F"] : []),
  ];
  return words.map((rest) => `complete -c usbferry ${conditionOf(command)} ${rest}`);
}

/** True where the words so far name this command and none below it. */
function conditionOf({ path, commands }: CommandOutline): string {
  const below = commands.map((sub) => `; and not __usbferry_at ${sub.path.join(" ")}`);
  return `-n ${quoted(`__usbferry_at ${path.join(" ")}${below.join("")}`.trim())}`;
}

function optionOf(
  { flags, description, value, choices }: OutlinedOption,
  gadgets: readonly string[],
): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...names, ...completionOf(value, choices, gadgets), `-d ${quoted(description)}`].join(" ");
}

function completionOf(
  value: OutlinedOption["value"],
  choices: readonly string[],
  gadgets: readonly string[],
): readonly string[] {
  if (choices.length > 0) return [`-x -a ${quoted(choices.join(" "))}`];
  switch (value) {
    case "none":
      return [];
    case "file":
      return ["-r -F"];
    case "folder":
      return ["-x -a '(__fish_complete_directories)'"];
    case "gadget":
      return [`-x -a ${quoted(gadgets.join(" "))}`];
    case "other":
      return ["-x"];
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
