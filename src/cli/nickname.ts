import type { Command } from "commander";
import { NICKNAMES, Nicknames } from "../daemon/state/nicknames.ts";
import { StateFolder } from "../daemon/state/state-folder.ts";
import { printJson } from "./json.ts";
import { table } from "./table.ts";

interface NicknameOptions {
  readonly stateDir?: string;
}

const HELP = `
\`usbferry attach\` takes a nickname wherever it takes a device of a host, and \`bind\`, \`unbind\` and \`serve --device\` where
they take one of this machine. A device that is named by it wins over a bus id of the same letters. Each user has nicknames
of his own: set with sudo what \`sudo usbferry attach\` shall know.

Example: sudo usbferry nickname set scanner 04b8:0123
         sudo usbferry attach tcp:192.0.2.7:3240 scanner`;

export function addNickname(root: Command): void {
  const nickname = root.command("nickname").description("names for devices").addHelpText("after", HELP);
  withFolder(
    nickname
      .command("set")
      .description("give a device a name")
      .argument("<NAME>", "a letter, then letters, digits and underscores")
      .argument("<DEV>", "bus id, vid:pid or vid:pid:serial")
      .action(set),
  );
  withFolder(
    nickname
      .command("list")
      .description("the nicknames, and what they stand for")
      .option("--json", "one JSON document on standard output")
      .action(list),
  );
  withFolder(nickname.command("remove").description("take a name away").argument("<NAME>").action(remove));
}

function withFolder(command: Command): void {
  command.option(
    "--state-dir <FOLDER>",
    "where they are kept; other commands look where USBFERRY_STATE says",
  );
}

async function set(name: string, device: string, options: NicknameOptions): Promise<void> {
  await change(options, (nicknames) => nicknames.set(name, device));
  process.stdout.write(`${name} is ${device}.\n`);
}

async function list({ stateDir, json }: NicknameOptions & { readonly json?: true }): Promise<void> {
  const { nicknames } = await new StateFolder(stateDir).read(NICKNAMES);
  const names = Object.keys(nicknames).toSorted();
  if (json === true) printJson({ nicknames: names.map((name) => ({ name, device: nicknames[name] })) });
  else if (names.length === 0) process.stdout.write("There are no nicknames.\n");
  else process.stdout.write(table([["NAME", "DEVICE"], ...names.map((name) => [name, nicknames[name]!])]));
}

async function remove(name: string, options: NicknameOptions): Promise<void> {
  await change(options, (nicknames) => nicknames.remove(name));
  process.stdout.write(`${name} is no nickname any more.\n`);
}

async function change(
  { stateDir }: NicknameOptions,
  work: (nicknames: Nicknames) => Promise<void>,
): Promise<void> {
  const { store, close } = await new StateFolder(stateDir).open(NICKNAMES);
  try {
    await work(new Nicknames(store));
  } finally {
    await close();
  }
}
