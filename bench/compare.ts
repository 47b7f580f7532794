import { parseArgs } from "node:util";
import { type Case, printCase } from "./case.ts";
import { type Contender, LIBUV } from "./contender.ts";
import { LoadClient } from "./load.ts";
import { describeMachine, printMachine } from "./machine.ts";
import { comparePairs } from "./pairs.ts";
import { pinnings } from "./pinning.ts";

const HELP = `Usage: npm run bench:compare -- [options]

What something that the host does besides costs a transfer: two hosts, one with it and one without, measured in
interleaved pairs, in processor time for one transfer.

  counters       the counters of a session (the only question there is)
  --pairs N      pairs (default 20)
  --ms N         milliseconds of each measurement (default 400)
  --json         one JSON document on standard output
  --help         this text
`;

const UNCOUNTED: Contender = {
  ...LIBUV,
  name: "usbferry without counters",
  argv: [LIBUV.argv[0]!, LIBUV.argv[1]!.replace("host.js", "host-uncounted.js")],
};

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: "string", default: "20" },
    ms: { type: "string", default: "400" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

async function run(): Promise<void> {
  const client = LoadClient.build();
  const began = describeMachine();
  const differences = [];
  for (const one of [
    { direction: "in", size: 512, depth: 32 },
    { direction: "in", size: 512, depth: 1 },
  ] satisfies Case[]) {
    const tell = (pair: number) => {
      if (process.stderr.isTTY) process.stderr.write(`${printCase(one)}, pair ${pair}\n`);
    };
    differences.push(
      // One question after the other: they share the machine.
      // oxlint-disable-next-line no-await-in-loop
      await comparePairs(
        UNCOUNTED,
        LIBUV,
        one,
        client,
        pinnings()[0]!,
        Number(values.pairs),
        Number(values.ms),
        tell,
      ),
    );
  }
  const report = { began, ended: describeMachine(), differences };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`Began: ${printMachine(report.began)}\nEnded: ${printMachine(report.ended)}\n`);
  for (const { case: one, pairs, withoutUs, withUs, mean, low, high } of differences) {
    const us = `${withoutUs.toFixed(3)} us a transfer without, ${withUs.toFixed(3)} us with them`;
    process.stdout.write(
      `${printCase(one)}: ${us}; ${percent(mean)} more, 95 % interval ${percent(low)} to ${percent(high)} (${pairs} pairs)\n`,
    );
  }
}

if (values.help) process.stdout.write(HELP);
else await run();
