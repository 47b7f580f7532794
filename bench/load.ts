import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Case } from "./case.ts";
import { compile } from "./compile.ts";
import { pinned } from "./pinning.ts";

/** What a load client saw. Times in microseconds unless named otherwise. */
export interface LoadResult {
  /** Transfers in all, the warming up included. */
  readonly urbs: number;
  /** Transfers in the time that was measured. */
  readonly measured: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

export interface LoadTimes {
  readonly warmMs: number;
  readonly measureMs: number;
  /** Ends the measurement after so many transfers; 0: by time alone. */
  readonly urbs: number;
}

/** The program that makes the load: written in C where there is a compiler, so that it is never the limit. */
export class LoadClient {
  readonly #argv: readonly string[];
  readonly language: "C" | "TypeScript";

  constructor(language: "C" | "TypeScript", argv: readonly string[]) {
    this.language = language;
    this.#argv = argv;
  }

  static build(): LoadClient {
    const program = compile("load/load.c");
    if (program !== undefined) return new LoadClient("C", [program]);
    return new LoadClient("TypeScript", [
      process.execPath,
      fileURLToPath(new URL("load/load.js", import.meta.url)),
    ]);
  }

  /** Rejects when a reply is wrong. `server`: a port of this machine, or the path of a unix socket. */
  async run(
    server: number | string,
    one: Case,
    times: LoadTimes,
    cpu: number | undefined,
    signal?: AbortSignal,
  ): Promise<LoadResult> {
    const { direction, size, depth } = one;
    const words = [server, direction, size, depth, times.warmMs, times.measureMs, times.urbs].map(String);
    const [program, argv] = pinned(cpu, [...this.#argv, ...words]);
    const { stdout } = await promisify(execFile)(program, argv, {
      timeout: 60_000,
      ...(signal !== undefined && { signal }),
    });
    return JSON.parse(stdout) as LoadResult;
  }
}
