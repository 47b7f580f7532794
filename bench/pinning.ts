import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** Which processor the server and the load client run on; nothing: wherever the system puts them. */
export interface Pinning {
  readonly name: "one core" | "two cores" | "not pinned";
  readonly server?: number;
  readonly client?: number;
}

/** What this machine allows: one core, then two where there are two. */
export function pinnings(): readonly Pinning[] {
  if (spawnSync("taskset", ["--version"]).status !== 0) return [{ name: "not pinned" }];
  const one: Pinning = { name: "one core", server: 0, client: 0 };
  return availableParallelism() < 2 ? [one] : [one, { name: "two cores", server: 1, client: 0 }];
}

/** The command that runs `argv` on a processor. */
export function pinned(cpu: number | undefined, argv: readonly string[]): readonly [string, string[]] {
  const [program, ...rest] = cpu === undefined ? argv : ["taskset", "--cpu-list", String(cpu), ...argv];
  return [program!, rest];
}
