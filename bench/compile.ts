import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds a C program of this folder; gives its path, or nothing if this machine has no C compiler. */
export function compile(source: string): string | undefined {
  const folder = join(root, "dist/bench/programs");
  mkdirSync(folder, { recursive: true });
  const program = join(folder, basename(source, ".c"));
  const argv = ["-O2", "-std=gnu11", "-o", program, join(root, "bench", source)];
  const { status, error, stderr } = spawnSync("cc", argv, { encoding: "utf8" });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(`cc cannot build bench/${source}:\n${stderr}`);
  return program;
}
