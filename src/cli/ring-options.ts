import type { Command } from "commander";
import { WrongUsage } from "../daemon/failure.ts";
import { LONGEST_LOOK_US, type RingThreadChoice } from "../daemon/ring/ring-thread.ts";

/** Of a command that starts a program which has rings. */
export interface RingOptions {
  readonly ringLook?: string;
  readonly ringCpu?: string;
}

export function addRingOptions(command: Command): Command {
  return command
    .option(
      "--ring-look <US>",
      "ring: how long a side looks for work before it sleeps, in microseconds (default: 50; on one processor 0)",
    )
    .option("--ring-cpu <N>", "ring: the processor on which the thread that has the rings stays");
}

/** Throws WrongUsage. */
export function readRingOptions({ ringLook, ringCpu }: RingOptions): RingThreadChoice {
  return {
    lookUs: ringLook === undefined ? undefined : readLook(ringLook),
    cpu: ringCpu === undefined ? undefined : readProcessor(ringCpu),
  };
}

/** As they were said, for another program. */
export function ringArguments({ ringLook, ringCpu }: RingOptions): readonly string[] {
  return [
    ...(ringLook === undefined ? [] : ["--ring-look", ringLook]),
    ...(ringCpu === undefined ? [] : ["--ring-cpu", ringCpu]),
  ];
}

function readLook(text: string): number {
  const lookUs = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (lookUs <= LONGEST_LOOK_US) return lookUs;
  throw new WrongUsage(
    `"${text}" is no time to look: write whole microseconds, from 0 to ${LONGEST_LOOK_US}.`,
  );
}

function readProcessor(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new WrongUsage(`"${text}" is no processor: write its number, from 0 on.`);
}
