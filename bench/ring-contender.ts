import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Case } from "./case.ts";
import type { LoadClient } from "./load.ts";
import type { Pinning } from "./pinning.ts";

/** Something that carries reads between two processes, or a measure beside it. */
export interface RingContender {
  readonly name: string;
  readonly runs: (one: Case) => boolean;
  readonly run: (one: Case, place: Pinning, warmMs: number, measureMs: number) => Promise<RingResult>;
}

/** Times in microseconds unless named otherwise. */
export interface RingResult {
  readonly measured: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** What the C program can do, and how that is called. */
export const REFERENCES = {
  copied: "C ring, copied",
  touched: "C ring, in place",
  asleep: "C ring, asleep",
  pipe: "pipe, one byte",
  memcpy: "memcpy",
} as const;

type Reference = (typeof REFERENCES)[keyof typeof REFERENCES];

export function reference(program: string, name: Reference): RingContender {
  const mode = (Object.keys(REFERENCES) as (keyof typeof REFERENCES)[]).find(
    (key) => REFERENCES[key] === name,
  )!;
  return {
    name,
    runs: ({ size, depth }) =>
      mode === "copied" || mode === "touched" || (depth === 1 && (mode === "memcpy" || size === 1 << 10)),
    run: async ({ size, depth }, place, warmMs, measureMs) => {
      const words = [mode, mode === "pipe" ? 1 : size, depth, warmMs, measureMs];
      const argv = [...words, place.client ?? 0, place.server ?? 0].map(String);
      const { stdout } = await promisify(execFile)(program, argv, { timeout: 60_000 });
      return JSON.parse(stdout) as RingResult;
    },
  };
}

export function usbip(name: string, client: LoadClient, server: number | string): RingContender {
  return {
    name,
    runs: () => true,
    run: async (one, place, warmMs, measureMs) => {
      try {
        return await client.run(server, one, { warmMs, measureMs, urbs: 0 }, place.client);
      } catch (error) {
        // A machine with other work may let none through in that time.
        if (!String(error).includes("nothing came back")) throw error;
        return { measured: 0, seconds: 0, p50: 0, p99: 0 };
      }
    },
  };
}
