import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Runs the tests of the project: first everything that needs nothing but this machine's Node, then the
 * scenarios that a real kernel judges, one file at a time because each boots virtual machines.
 * With arguments only the files whose path contains one of them; with `--soak` the long counts instead.
 */
const dist = fileURLToPath(new URL("..", import.meta.url));
const soak = process.argv.includes("--soak");
const wanted = process.argv.slice(2).filter((part) => part !== "--soak");

function filesEnding(suffix: string): string[] {
  return readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(suffix))
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .map((path) => join(dist, path))
    .toSorted();
}

function passes(files: readonly string[], ...options: readonly string[]): boolean {
  if (files.length === 0) return true;
  const argv = ["--enable-source-maps", "--test", "--test-reporter=spec", ...options, ...files];
  return spawnSync(process.execPath, argv, { stdio: "inherit" }).status === 0;
}

/** A scenario that fails in its clean-up can leave a host or a guest behind, which must not keep the verdict back. */
const GUESTS = ["--test-concurrency=1", "--test-force-exit"];

const results = soak
  ? [passes(filesEnding(".soak.js"), ...GUESTS)]
  : [passes(filesEnding(".test.js")), passes(filesEnding(".vm.js"), ...GUESTS)];
process.exitCode = results.includes(false) ? 1 : 0;
