import { parseArgs } from "node:util";
import { type Case, printCase } from "./case.ts";
import { LoadClient } from "./load.ts";
import { describeMachine, printMachine } from "./machine.ts";
import { comparePairs, type Difference } from "./pairs.ts";
import { CLIENTS_OF_API } from "./questions/clients.ts";
import { COUNTERS } from "./questions/counters.ts";
import type { Question } from "./questions/question.ts";

const HELP = `Usage: npm run bench:compare -- [QUESTION]... [options]

What something that the host does besides costs a transfer: without it and with it, measured in interleaved pairs,
in processor time for one transfer. Questions (default: all):

  counters       the counters of a session
  clients        1,000 clients of the control API, half of them stuck: readers of events that do not read, and
                 requests that stop in the middle; the others read events or ask at times

  --pairs N      pairs (default 20; with fewer the interval is told too narrow)
  --ms N         milliseconds of each measurement (default 400)
  --json         one JSON document on standard output
  --help         this text
`;

const QUESTIONS: readonly Question[] = [COUNTERS, CLIENTS_OF_API];

interface Finding {
  readonly question: string;
  readonly case: Case;
  readonly differences: readonly Difference[];
}

const { values, positionals } = parseArgs({
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

async function find(
  question: Question,
  one: Case,
  client: LoadClient,
  pairs: number,
  measureMs: number,
): Promise<Finding> {
  const tell = (pair: number) => {
    if (process.stderr.isTTY) process.stderr.write(`${question.name}, ${printCase(one)}, pair ${pair}\n`);
  };
  const measurement = await question.start(one, client, measureMs);
  try {
    const differences = await comparePairs((withIt) => measurement.measure(withIt), pairs, tell);
    return { question: question.name, case: one, differences };
  } finally {
    await measurement.stop();
  }
}

async function run(questions: readonly Question[], pairs: number, measureMs: number): Promise<void> {
  const client = LoadClient.build();
  const began = describeMachine();
  const findings: Finding[] = [];
  for (const question of questions) {
    for (const one of question.cases) {
      // One question after the other: they share the machine.
      // oxlint-disable-next-line no-await-in-loop
      findings.push(await find(question, one, client, pairs, measureMs));
    }
  }
  const report = { began, ended: describeMachine(), findings };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`Began: ${printMachine(report.began)}\nEnded: ${printMachine(report.ended)}\n`);
  for (const finding of findings) process.stdout.write(printFinding(finding));
}

function printFinding({ question, case: one, differences }: Finding): string {
  const lines = differences.map(({ of, pairs, withoutUs, withUs, mean, low, high }) => {
    const us = `${withoutUs.toFixed(3)} us a transfer without, ${withUs.toFixed(3)} us with them`;
    const interval = `95 % interval ${percent(low)} to ${percent(high)} (${pairs} pairs)`;
    return `${question}, ${printCase(one)}, ${of}: ${us}; ${percent(mean)} more, ${interval}\n`;
  });
  return lines.join("");
}

const unknown = positionals.find((name) => QUESTIONS.every((question) => question.name !== name));
const [pairs, measureMs] = [Number(values.pairs), Number(values.ms)];
if (values.help) {
  process.stdout.write(HELP);
} else if (unknown !== undefined || !(pairs >= 2 && Number.isInteger(pairs)) || !(measureMs > 0)) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else {
  const asked =
    positionals.length === 0 ? QUESTIONS : QUESTIONS.filter(({ name }) => positionals.includes(name));
  await run(asked, pairs, measureMs);
}
