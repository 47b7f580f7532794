import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { hostPlace } from "../daemon/local-daemons.ts";
import { policyThrough, readPolicy } from "../daemon/rules/policy-through.ts";
import { joinWords } from "../daemon/rules/rule.ts";
import type { ListedRule, Policy } from "../daemon/rules/rule-book.ts";
import { StateFolder } from "../daemon/state/state-folder.ts";
import { CONTROL_OPTION } from "./control.ts";
import { printJson } from "./json.ts";
import { table } from "./table.ts";

interface PolicyOptions {
  readonly stateDir?: string;
  readonly control?: string;
  readonly json?: true;
}

const HELP = `
A rule is an action and what it is about: allow, deny or auto-bind, and any of
  device=VID:PID  serial=PATTERN  busid=PATTERN  class=CODE|NAME  client=NETWORK|uid:N|vsock:CID|ring:MEMORY|tls:NAME  link=KIND
The first allow or deny rule that matches decides. Without one, this machine may have a device and nobody else.
docs/rules.md tells all of it.

Example: usbferry policy add allow device=0781:5581 client=192.168.7.0/24`;

export function addPolicy(root: Command): void {
  const policy = root.command("policy").description("rules: who may have what").addHelpText("after", HELP);
  withFolder(
    policy
      .command("add")
      .description("add a rule, behind the others")
      .argument("<RULE...>", "what to allow, deny or bind")
      .option("--at <POSITION>", "before the rule that has this place, counted from 1")
      .action(add),
  );
  withFolder(
    policy.command("list").description("the rules, in the order in which they are asked").action(list),
  );
  withFolder(
    policy
      .command("remove")
      .description("remove a rule")
      .argument("<ID>", "as `usbferry policy list` names it")
      .action(remove),
  );
  withFolder(
    policy
      .command("move")
      .description("give a rule another place")
      .argument("<ID>", "as `usbferry policy list` names it")
      .argument("<POSITION>", "counted from 1")
      .action(move),
  );
}

function withFolder(command: Command): void {
  command
    .option("--state-dir <FOLDER>", "where the rules are kept")
    .option("--control <PATH|tcp:PORT>", CONTROL_OPTION)
    .option("--json", "one JSON document on standard output");
}

async function add(
  words: readonly string[],
  options: PolicyOptions & { readonly at?: string },
): Promise<void> {
  const position = options.at === undefined ? undefined : readPosition(options.at);
  const rule = await through(options, (policy) => policy.add(joinWords(words), position));
  tell("added", rule, options);
}

async function list(options: PolicyOptions): Promise<void> {
  const rules = await readPolicy(new StateFolder(options.stateDir), hostPlace(options.control));
  if (options.json === true) printJson({ rules });
  else if (rules.length === 0) {
    process.stdout.write("There are no rules: this machine may have every device, and nobody else any.\n");
  } else process.stdout.write(table([["ID", "RULE"], ...rules.map(({ id, rule }) => [id, rule])]));
}

async function remove(id: string, options: PolicyOptions): Promise<void> {
  const rule = await through(options, (policy) => policy.remove(id));
  tell("removed", rule, options);
}

async function move(id: string, place: string, options: PolicyOptions): Promise<void> {
  const position = readPosition(place);
  const rule = await through(options, (policy) => policy.move(id, position));
  tell("moved", rule, options);
}

function through<T>({ stateDir, control }: PolicyOptions, work: (policy: Policy) => Promise<T>): Promise<T> {
  return policyThrough(new StateFolder(stateDir), hostPlace(control), work);
}

function tell(what: string, rule: ListedRule, { json }: PolicyOptions): void {
  if (json === true) printJson({ rule });
  else process.stdout.write(`${what} ${rule.id}: ${rule.rule}\n`);
}

function readPosition(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new WrongUsage(`"${text}" is no position: write a number, counted from 1.`);
  }
  return Number(text);
}
