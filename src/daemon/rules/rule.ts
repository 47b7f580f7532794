import { CONDITION_KEYS, CONDITIONS, type Conditions } from "./conditions.ts";

/** What a rule does with the devices and clients that it matches. */
export const ACTIONS = ["allow", "deny", "auto-bind"] as const;
export type Action = (typeof ACTIONS)[number];

/** Printed, it is the text that `parseRule` reads. */
export interface Rule extends Conditions {
  readonly action: Action;
}

/** A text is no rule. `message` says why, and what can be written. */
export class RuleError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

const RULE_CHARACTERS = 1_024;

/** A word: anything but spaces and quotes, and quoted parts in it. */
const WORD = /(?:[^\s"]|"(?:[^"\\]|\\.)*")+/gy;

/** Reads `ACTION [KEY=VALUE]...`; a value with spaces stands in double quotes. */
export function parseRule(text: string): Rule | RuleError {
  if (text.length > RULE_CHARACTERS) {
    return new RuleError(`a rule has at most ${RULE_CHARACTERS} characters, and this one ${text.length}.`);
  }
  const words = splitWords(text);
  if (words === undefined) return new RuleError(`"${text}" has a quote without its end.`);
  const [first = "", ...rest] = words;
  const action = ACTIONS.find((name) => name === first);
  if (action === undefined) {
    return new RuleError(
      `"${first}" is no action: a rule begins with ${ACTIONS.join(", ")}, as in allow device=0781:5581 client=192.168.7.0/24.`,
    );
  }
  const rule: Record<string, unknown> = { action };
  for (const word of rest) {
    const refused = takeWord(rule, action, word);
    if (refused !== undefined) return refused;
  }
  return rule as unknown as Rule;
}

function takeWord(rule: Record<string, unknown>, action: Action, word: string): RuleError | undefined {
  const equals = word.indexOf("=");
  // VID:PID alone can be nothing else.
  const isDevice = equals < 0 && CONDITIONS.device.read(word) !== undefined;
  const name = isDevice ? "device" : word.slice(0, Math.max(equals, 0));
  const value = word.slice(equals + 1);
  const key = CONDITION_KEYS.find((known) => known === name);
  if (key === undefined) {
    return new RuleError(
      `"${word}" is no condition: write KEY=VALUE, where KEY is one of ${CONDITION_KEYS.join(", ")}.`,
    );
  }
  const condition = CONDITIONS[key];
  if (rule[key] !== undefined) return new RuleError(`${key} stands there twice.`);
  if (action === "auto-bind" && condition.about === "client") {
    return new RuleError(`an auto-bind rule is about devices alone, and ${key} is about the client.`);
  }
  const read = value === "" ? undefined : condition.read(value);
  if (read === undefined) {
    return new RuleError(`the ${key} of a rule is ${condition.expects}; "${value}" is not.`);
  }
  rule[key] = read;
  return undefined;
}

/** The canonical text. */
export function printRule(rule: Rule): string {
  const conditions = CONDITION_KEYS.filter((key) => rule[key] !== undefined);
  const words = conditions.map((key) => `${key}=${quoted(CONDITIONS[key].print(rule[key] as never))}`);
  return [rule.action, ...words].join(" ");
}

/** The rule that words of a command line, which a shell has cut and unquoted, make together. */
export function joinWords(words: readonly string[]): string {
  const [only] = words;
  return words.length === 1
    ? only!
    : words
        .map((word) => word.replace(/^([a-z]+=)?(.*)$/s, (_, key = "", value) => key + quoted(value)))
        .join(" ");
}

function quoted(value: string): string {
  return /[\s"\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, "\\$&")}"` : value;
}

function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  WORD.lastIndex = 0;
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, WORD.lastIndex)) {
    WORD.lastIndex = at;
    const match = WORD.exec(text);
    if (match === null) return undefined;
    words.push(
      match[0].replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_, inner: string) => inner.replaceAll(/\\(.)/g, "$1")),
    );
  }
  return words;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}
