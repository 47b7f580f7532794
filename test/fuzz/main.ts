import { parseArgs } from "node:util";
import { campaign, Finding, tryMutant, VALUES_SHARE_MIN } from "./campaign.ts";
import { TARGETS } from "./targets.ts";

/**
 * The long run: every target, or those whose name contains --target, for --inputs mutants each or until
 * --seconds are over. --mutant tries a single one again.
 */
const { values: options } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seconds: { type: "string" },
    seed: { type: "string", default: String(Date.now() >>> 0) },
    target: { type: "string", default: "" },
    mutant: { type: "string" },
  },
});

/** Memory that may be in use when a target is done; a session may hold 64 MiB of its own. */
const MEMORY_MAX = 256 << 20;

const seed = Number(options.seed);
const chosen = TARGETS.filter(({ name }) => name.includes(options.target));

function run(): boolean {
  console.log(`seed ${seed}`);
  console.log(
    "target                          inputs  truncations  values  inputs/s   heap MiB  buffers MiB",
  );
  let passed = true;
  for (const target of chosen) {
    const seconds = options.seconds === undefined ? {} : { seconds: Number(options.seconds) };
    const result = campaign(target, { seed, inputs: Number(options.inputs), ...seconds });
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const share = result.values / result.mutants;
    const columns = [
      target.name.padEnd(28),
      String(result.mutants).padStart(9),
      String(result.truncations).padStart(12),
      `${(100 * share).toFixed(1)} %`.padStart(8),
      String(Math.round((result.mutants + result.truncations) / result.seconds)).padStart(9),
      (heapUsed / 2 ** 20).toFixed(0).padStart(10),
      (arrayBuffers / 2 ** 20).toFixed(0).padStart(12),
    ];
    console.log(columns.join(" "));
    if (share < VALUES_SHARE_MIN) {
      console.log(`Too few mutants of ${target.name} are valid: its mutations must keep more of the format.`);
      passed = false;
    }
    if (heapUsed + arrayBuffers > MEMORY_MAX) {
      console.log(`${target.name} left more than ${MEMORY_MAX >> 20} MiB in use.`);
      passed = false;
    }
  }
  return passed;
}

try {
  if (chosen.length === 0) throw new Finding(`no target is named "${options.target}"`);
  if (options.mutant === undefined) process.exitCode = run() ? 0 : 1;
  else console.log(tryMutant(chosen[0]!, seed, Number(options.mutant)));
} catch (error) {
  if (!(error instanceof Finding)) throw error;
  console.log(error.message);
  console.log(error.cause instanceof Error ? error.cause.stack : "");
  process.exitCode = 1;
}
