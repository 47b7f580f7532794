import { parseArgs } from "node:util";
import { compareQuestions } from "./comparison.ts";
import { CLIENTS_OF_API } from "./questions/clients.ts";
import { COUNTERS } from "./questions/counters.ts";
import type { Question } from "./questions/question.ts";

const HELP = `Usage: npm run bench:compare -- [QUESTION]... [options]

What something that the host does besides costs a transfer: without it and with it, measured in interleaved pairs,
in processor time for one transfer. Questions (default: all):

  counters       the counters of a session, and its looks at the clock, on the event loop and on the data-plane worker
  clients        1,000 clients of the control API, half of them stuck: readers of events that do not read, and
                 requests that stop in the middle; the others read events or ask at times

  --pairs N      pairs (default 20; with fewer the interval is told too narrow)
  --ms N         milliseconds of each measurement (default 400)
  --json         one JSON document on standard output
  --help         this text
`;

const QUESTIONS: readonly Question[] = [COUNTERS, CLIENTS_OF_API];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: "string", default: "20" },
    ms: { type: "string", default: "400" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

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
  process.stdout.write(await compareQuestions(asked, pairs, measureMs, values.json));
}
