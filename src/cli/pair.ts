import { createInterface } from "node:readline";
import type { Command } from "commander";
import { Failed, WrongUsage } from "../daemon/failure.ts";
import {
  expectAt,
  type OwnCertificate,
  ownCertificate,
  type PairingQuestion,
  pair,
  pairedMachines,
  unpair,
} from "../daemon/pair.ts";
import { interruption, unlessCancelled } from "./cancelled.ts";
import { printJson } from "./json.ts";
import { table } from "./table.ts";

interface PairOptions {
  readonly listen?: string;
  readonly name?: string;
  readonly stateDir?: string;
}

interface JsonOptions {
  readonly stateDir?: string;
  readonly json?: true;
}

const HELP = `
One machine listens, the other dials; both show six digits. If they are the same on both, nobody is in between: type yes on
both. From then on each trusts the other at tls:HOST:PORT, as a host and as a guest. What it may have there, rules say
(usbferry policy add allow client=tls:NAME). The digits travel over any address but tls:, a network that nobody trusts included.

Run it as the user who serves or attaches: each has a certificate and paired machines of its own (root: sudo).

Example: usbferry pair --listen tcp:0.0.0.0:3244          # on one machine
         sudo usbferry pair tcp:192.0.2.7:3244             # on the other`;

export function addPair(root: Command): void {
  const command = withFolder(
    root
      .command("pair")
      .description("exchange certificates with another machine, for tls: addresses")
      .argument("[ADDR]", "the other machine, which listens; with --listen there is none")
      .option("--listen <ADDR>", "wait for the other machine, once")
      .option("--name <NAME>", "what to call it here (default: its own name)")
      .addHelpText("after", HELP)
      .action(run),
  );
  withFolder(
    command
      .command("list")
      .description("the machines that were paired with this one")
      .option("--json", "one JSON document on standard output")
      .action(list),
  );
  withFolder(
    command
      .command("remove")
      .description("trust a machine no more; connections that exist go on")
      .argument("<NAME>")
      .action(remove),
  );
  withFolder(
    command
      .command("host")
      .description("say that a machine may be dialled at another host")
      .argument("<NAME>", "as `usbferry pair list` shows it")
      .argument("<HOST>", "a name or address, as in tls:HOST:PORT")
      .action(host),
  );
  withFolder(
    command
      .command("show")
      .description("the certificate of this machine")
      .option("--json", "one JSON document on standard output")
      .action(show),
  );
  withFolder(
    command
      .command("renew")
      .description("make a new certificate; every other machine is to be paired again")
      .action(renew),
  );
}

function withFolder(command: Command): Command {
  return command.option(
    "--state-dir <FOLDER>",
    "where certificate and machines are kept; other commands look where USBFERRY_STATE says",
  );
}

async function run(address: string | undefined, options: PairOptions): Promise<void> {
  const { listen, name, stateDir } = options;
  if ((address === undefined) === (listen === undefined)) {
    throw new WrongUsage(
      "name the other machine, or --listen for it: usbferry pair --listen tcp:0.0.0.0:3244 on one, usbferry pair tcp:HOST:3244 on the other.",
    );
  }
  const machine = await unlessCancelled(
    pair({
      address: (listen ?? address)!,
      role: listen === undefined ? "dials" : "listens",
      name,
      stateFolder: stateDir,
      listening: (at) => process.stdout.write(`Waiting for the other machine at ${at}. Stop with Ctrl+C.\n`),
      compare,
      signal: interruption.signal,
    }),
  );
  const where = machine.hosts.length === 0 ? "" : `, expected at ${machine.hosts.join(" and ")}`;
  process.stdout.write(`Paired with ${machine.name}${where}.\n`);
}

async function compare(
  { digits, name, fingerprint }: PairingQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  process.stdout.write(
    `\n  ${digits.slice(0, 3)} ${digits.slice(3)}\n\n` +
      `The other machine calls itself ${name} (SHA-256 ${fingerprint.slice(0, 16)}...).\n` +
      "Are these the digits that it shows, too? Type yes or no: ",
  );
  for await (const line of createInterface({ input: process.stdin, signal })) {
    const answer = line.trim().toLowerCase();
    if (answer === "yes" || answer === "y") {
      process.stdout.write("Waiting for the answer there.\n");
      return true;
    }
    if (answer === "no" || answer === "n") return false;
    process.stdout.write("Type yes or no: ");
  }
  throw new Failed("there is nobody to compare the digits: standard input ended");
}

async function list({ stateDir, json }: JsonOptions): Promise<void> {
  const machines = await pairedMachines(stateDir);
  if (json === true) printJson({ machines });
  else if (machines.length === 0) process.stdout.write("No machine is paired with this one.\n");
  else {
    const rows = machines.map(({ name, hosts, fingerprint }) => [
      name,
      hosts.join(", "),
      fingerprint.slice(0, 16),
    ]);
    process.stdout.write(table([["NAME", "HOSTS", "SHA-256"], ...rows]));
  }
}

async function remove(name: string, { stateDir }: JsonOptions): Promise<void> {
  await unpair(name, stateDir);
  process.stdout.write(`${name} is trusted no more.\n`);
}

async function host(name: string, at: string, { stateDir }: JsonOptions): Promise<void> {
  await expectAt(name, at, stateDir);
  process.stdout.write(`${name} may be dialled at ${at}.\n`);
}

async function show({ stateDir, json }: JsonOptions): Promise<void> {
  const own = await ownCertificate(stateDir);
  if (json === true) printJson(own);
  else process.stdout.write(described(own));
}

async function renew({ stateDir }: JsonOptions): Promise<void> {
  process.stdout.write(described(await ownCertificate(stateDir, true)));
}

function described({ name, fingerprint, validTo, pem }: OwnCertificate): string {
  return `${name}, valid until ${validTo}, SHA-256 ${fingerprint}\n${pem}`;
}
