import type { EventEmitter } from "node:events";
import type { Command, Option } from "commander";

/** What stands for a value: decides how a shell completes it. */
export type ValueKind = "none" | "file" | "folder" | "gadget" | "other";

export interface OutlinedOption {
  /** `--listen`, and `-o` where there is a short one. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: ValueKind;
  /** How the help names the value: `<ADDR>`, or nothing. */
  readonly placeholder: string;
  readonly choices: readonly string[];
}

/** A command as its help shows it, for what is made of all commands: completions and the manual page. */
export interface CommandOutline {
  /** The words behind `usbferry`: `["controller", "plug"]`. */
  readonly path: readonly string[];
  readonly description: string;
  /** `<ADDR> [DEV]` */
  readonly usage: string;
  readonly options: readonly OutlinedOption[];
  /** Of its arguments, all together. */
  readonly choices: readonly string[];
  readonly takesFile: boolean;
  readonly commands: readonly CommandOutline[];
  /** What its help says behind the options. */
  readonly notes: string;
}

const HELP: OutlinedOption = {
  flags: ["-h", "--help"],
  description: "display help for command",
  value: "none",
  placeholder: "",
  choices: [],
};

export function outlineOf(command: Command, path: readonly string[] = []): CommandOutline {
  const help = command.createHelp();
  const shown = command.options.filter((option) => !option.hidden);
  const argumentNames = command.registeredArguments.map((argument) => argument.name());
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    options: [...shown.map(outlineOption), HELP],
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    takesFile: argumentNames.some((name) => valueKind(name) === "file"),
    commands: help
      .visibleCommands(command)
      .filter((sub) => sub.name() !== "help")
      .map((sub) => outlineOf(sub, [...path, sub.name()])),
    notes: notesOf(command),
  };
}

function outlineOption(option: Option): OutlinedOption {
  const { short, long, description, argChoices = [] } = option;
  const [placeholder = "", value = ""] = /[<[](.*?)[>\]]/.exec(option.flags) ?? [];
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    description,
    placeholder,
    value: value === "" ? "none" : long === "--gadget" ? "gadget" : valueKind(value),
    choices: argChoices,
  };
}

function valueKind(name: string): ValueKind {
  if (/FOLDER|DIR/.test(name)) return "folder";
  return /FILE|PATH/.test(name) ? "file" : "other";
}

/** Commander keeps what was added to the help as listeners of this event. */
function notesOf(command: Command): string {
  let text = "";
  const write = (words: string): void => {
    text += words;
  };
  (command as unknown as EventEmitter).emit("afterHelp", { error: false, command, write });
  return text.trim();
}
