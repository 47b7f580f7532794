import { type Command, CommanderError } from "commander";
import { program } from "../../src/cli/program.ts";
import { parseRule, RuleError } from "../../src/daemon/rules/rule.ts";
import { GadgetSpecificationError, parseGadgetSpec } from "../../src/gadgets/catalog.ts";
import { AddressError, parseAddress } from "../../src/links/address.ts";
import { simpleCommands } from "./shell-words.ts";

/** A call of `usbferry` that a document shows. */
export interface DocumentedCommand {
  /** Behind `usbferry`. */
  readonly words: readonly string[];
  /** As it stands there, for a message. */
  readonly text: string;
  /** In a sentence a command may be named without all that it needs. */
  readonly isMention: boolean;
}

const PROMPT = /^(host|guest|container|windows|one|other)[$>] +/gm;
const FENCE = /^ *```\w*\n(.*?)^ *```$/gms;
const SPAN = /`((?:sudo )?usbferry [^`]+)`/g;

/** Every call that a Markdown document shows, in blocks and in sentences. */
export function documentedCommands(markdown: string): readonly DocumentedCommand[] {
  const blocks = Array.from(markdown.matchAll(FENCE), ([, block]) => block!);
  const spans = markdown.replaceAll(FENCE, "").matchAll(SPAN);
  return [
    ...blocks.flatMap((block) => callsIn(block.replaceAll(PROMPT, ""), false)),
    ...Array.from(spans, ([, span]) => callsIn(withoutNotation(span!), true)).flat(),
  ];
}

/** Of a usage that tells what may be left out, repeated or chosen: all of it, once, and the first of each choice. */
function withoutNotation(span: string): string {
  return span
    .replaceAll(/\s+/g, " ")
    .replaceAll("\\|", "|")
    .replaceAll(/\b(\w+)(\|\w+)+/g, "$1")
    .replaceAll(/[[\]]|\.{3}/g, "");
}

function callsIn(text: string, isMention: boolean): readonly DocumentedCommand[] {
  return linesWithCalls(text).flatMap((line) =>
    simpleCommands(line).flatMap((words) => {
      const start = words.indexOf("usbferry");
      // Alone it is a name.
      if (start < 0 || words.length === start + 1) return [];
      return [{ words: words.slice(start + 1), text: line, isMention }];
    }),
  );
}

/** Other lines, of programs and of files, may be anything. */
function linesWithCalls(text: string): readonly string[] {
  return text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => /(^|[\s;&|])usbferry /.test(line) && !/^\s*- name:/.test(line))
    .map((line) => line.replace(/^\s*command = /, ""));
}

class Parsed extends Error {}

/** What stands for something that a reader knows. */
const PLACEHOLDERS: readonly (readonly [RegExp, string])[] = [
  [/\bADDR\b/g, "tcp:192.0.2.7:3240"],
  [/\bPORT\b/g, "3240"],
  [/\b(?:THIS-MACHINE|HOST)\b/g, "box"],
  [/\bADDRESS\b/g, "00:05.0"],
  [/\b(?:PATH|FILE|MEMORY|SOCKET)\b/g, "/run/x"],
  [/\bUS\b/g, "50"],
  [/\bDEV\b/g, "1-2"],
  [/\bSPEC\b/g, "zero"],
  [/\$\w+/g, "10.0.2.2"],
];

/** What it may lack in a sentence. */
const INCOMPLETE = new Set([
  "commander.missingArgument",
  "commander.missingMandatoryOptionValue",
  "commander.optionMissingArgument",
  "commander.help",
]);

/** What the command line would say against it; nothing where it would do it. */
export async function faultOf({ words, isMention }: DocumentedCommand): Promise<string | undefined> {
  const argv = words
    .filter((word) => word !== "...")
    .map((word) => PLACEHOLDERS.reduce((text, [what, by]) => text.replaceAll(what, by), word))
    .map((word) => word.replace(/^\[(.*)\]$/, "$1"));
  const root = await program(argv);
  silence(root);
  root.hook("preAction", () => {
    throw new Parsed();
  });
  try {
    await root.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof Parsed) return faultOfValues(argv);
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || (isMention && INCOMPLETE.has(error.code))) return undefined;
    return error.message;
  }
  return "it does nothing";
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} });
  for (const sub of command.commands) silence(sub);
}

const ADDRESS = /^(wslusb\+)?(tcp|tls|unix|vsock|hvsocket|fc-vsock|ring):/;

/** Commands whose first argument is an address. */
const DIAL = new Set(["attach", "doctor", "list"]);

function faultOfValues(argv: readonly string[]): string | undefined {
  for (const [index, word] of argv.entries()) {
    const [, at = word] = /^[^@]+@(.*)$/.exec(word) ?? [];
    if (ADDRESS.test(at) || (index === 1 && DIAL.has(argv[0]!) && !word.startsWith("-"))) {
      const address = parseAddress(at);
      if (address instanceof AddressError) return address.message;
    }
    if (argv[index - 1] !== "--gadget") continue;
    const gadget = parseGadgetSpec(word);
    if (gadget instanceof GadgetSpecificationError) return gadget.message;
  }
  if (argv[0] !== "policy" || argv[1] !== "add") return undefined;
  const end = argv.indexOf("--at");
  const text = argv.slice(2, end < 0 ? undefined : end).join(" ");
  const rule = text === "" || text === "allow" ? undefined : parseRule(text);
  return rule instanceof RuleError ? rule.message : undefined;
}
