import type { Command } from "commander";
import { KeptNicknames } from "../daemon/state/kept-nicknames.ts";
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
  await kept(options).set(name, device);
  process.stdout.write(`${name} is ${device}.\n`);
}

async function list({ json, ...options }: NicknameOptions & { readonly json?: true }): Promise<void> {
  const nicknames = await kept(options).list();
  if (json === true) printJson({ nicknames });
  else if (nicknames.length === 0) process.stdout.write("There are no nicknames.\n");
  else {
    const rows = nicknames.map(({ name, device }) => [name, device]);
    process.stdout.write(table([["NAME", "DEVICE"], ...rows]));
  }
}

async function remove(name: string, options: NicknameOptions): Promise<void> {
  await kept(options).remove(name);
  process.stdout.write(`${name} is no nickname any more.\n`);
}

function kept({ stateDir }: NicknameOptions): KeptNicknames {
  return new KeptNicknames(new StateFolder(stateDir));
}
