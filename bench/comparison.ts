import { type Case, isNamed, printCase } from "./case.ts";
import { LoadClient } from "./load.ts";
import { describeMachine, printMachine } from "./machine.ts";
import { comparePairs, type Difference } from "./pairs.ts";
import type { Question } from "./questions/question.ts";

interface Finding {
  readonly question: string;
  readonly case: Case;
  readonly differences: readonly Difference[];
}

/** What the things that are asked for cost a transfer, in the cases whose name contains `only`, as text for people or as JSON. */
export async function compareQuestions(
  questions: readonly Question[],
  pairs: number,
  measureMs: number,
  json: boolean,
  only = "",
): Promise<string> {
  const client = LoadClient.build();
  const began = describeMachine();
  const findings: Finding[] = [];
  for (const question of questions) {
    for (const one of question.cases.filter((each) => isNamed(each, only))) {
      // One question after the other: they share the machine.
      // oxlint-disable-next-line no-await-in-loop
      findings.push(await find(question, one, client, pairs, measureMs));
    }
  }
  const report = { began, ended: describeMachine(), findings };
  if (json) return `${JSON.stringify(report, undefined, 2)}\n`;
  const machine = `Began: ${printMachine(report.began)}\nEnded: ${printMachine(report.ended)}\n`;
  return machine + findings.map(printFinding).join("");
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

function printFinding({ question, case: one, differences }: Finding): string {
  const lines = differences.map((difference) => {
    const { of, pairs, withoutUs, withUs, withoutLeastUs, withLeastUs, more, low, high } = difference;
    const us = `${withoutUs.toFixed(3)} us a transfer without, ${withUs.toFixed(3)} us with them`;
    const least = `least ${withoutLeastUs.toFixed(3)} and ${withLeastUs.toFixed(3)} us`;
    const interval = `95 % interval ${percent(low)} to ${percent(high)} (${pairs} pairs)`;
    return `${question}, ${printCase(one)}, ${of}: ${us} (${least}); ${percent(more)} more, ${interval}\n`;
  });
  return lines.join("");
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
