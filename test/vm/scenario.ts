import assert from "node:assert/strict";
import { test } from "node:test";
import type { KernelName } from "./debian/preparation.ts";
import { pullAll } from "./emulated-device.ts";
import type { Guest } from "./guest.ts";
import { type ExpectedLine, judgeKernelLog } from "./kernel-log.ts";
import { type BootOptions, prepareTestBed } from "./test-bed.ts";

/** One thing that happens in a guest. It leaves the guest as it found it: the next scenario runs in the same one. */
export interface Scenario {
  readonly name: string;
  /** Complaints of the kernel that belong to what is being done. Every other one fails the scenario. */
  readonly expected?: readonly ExpectedLine[];
  /** On a machine that has nothing else to do. Default 90 s. */
  readonly timeoutMs?: number;
  run(guest: Guest): Promise<void>;
}

/** Other work on the machine may take as much of it as the scenario itself. */
const PATIENCE = 2;

export type ScenarioBoot = Omit<BootOptions, "kernel">;

/** Runs the scenarios one after the other in one guest, each as a subtest; a guest that died is replaced. */
export function scenarios(kernel: KernelName, list: readonly Scenario[], boot: ScenarioBoot = {}): void {
  test(`Linux ${kernel}`, async (context) => {
    const bed = await prepareTestBed((line) => context.diagnostic(line));
    let guest: Guest | undefined;
    let bootFailure: unknown;
    try {
      for (const scenario of list) {
        await context.test(scenario.name, async (subtest) => {
          if (bootFailure !== undefined)
            throw new Error("not run: the guest did not boot", { cause: bootFailure });
          if (guest?.failure) await guest.stop();
          if (!guest || guest.failure) {
            const started = performance.now();
            guest = await bed.boot({ ...boot, kernel }).catch((error: unknown) => {
              bootFailure = error;
              throw error;
            });
            subtest.diagnostic(`booted in ${Math.round(performance.now() - started)} ms`);
          }
          await play(scenario, guest);
        });
      }
    } finally {
      await guest?.stop();
    }
  });
}

/** Runs one scenario, pulls out what it has plugged in, then lets the kernel's log speak; where both complain, one failure tells both. */
export async function play(scenario: Scenario, guest: Guest): Promise<void> {
  const start = await guest.mark();
  const failures: unknown[] = [];
  try {
    await withTimeLimit(scenario.run(guest), (scenario.timeoutMs ?? 90_000) * PATIENCE);
  } catch (error) {
    failures.push(error);
  }
  if (!guest.failure) await pullAll(guest);
  const complaints = judgeKernelLog(await guest.kernelLog(start), scenario.expected);
  if (complaints.length > 0)
    failures.push(
      new assert.AssertionError({
        message: `the kernel of ${guest.name} complains:\n${complaints.join("\n")}`,
      }),
    );
  if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join("\n\n"));
  if (failures.length > 0) throw failures[0];
}

async function withTimeLimit(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the scenario did not end in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
