import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Small bugs of the kind that happen, as patches of the sources. A fuzzer that does not find them finds nothing.
 */
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PATCHES = join(ROOT, "test/fuzz/seeded");
const COPIED = ["src", "test/fuzz", "test/support", "test/vectors", "package.json", "tsconfig.base.json"];

/** Mutants of a target in one pass over all of them; another seed follows until the time is over. */
const INPUTS = 20_000;
/** What a pass gives each target at most: little at first, so that each of them has its turn soon. */
const TARGET_SECONDS = [1, 2, 4, 8];

const TSCONFIG = {
  extends: "./tsconfig.base.json",
  compilerOptions: {
    composite: false,
    declaration: false,
    declarationMap: false,
    // A patch may leave an import without a user.
    noUnusedLocals: false,
    types: ["node"],
    rootDir: ".",
    outDir: "dist",
  },
  files: ["test/fuzz/main.ts"],
};

/** Names of the patches. */
export function seededBugs(): string[] {
  return readdirSync(PATCHES).flatMap((file) => (file.endsWith(".patch") ? [file.slice(0, -6)] : []));
}

/** Why a patch does not fit the sources as they are, or nothing. */
export function misfit(bug: string): string | undefined {
  const { status, stderr } = run("git", ["apply", "--check", join(PATCHES, `${bug}.patch`)], ROOT);
  return status === 0 ? undefined : stderr;
}

/**
 * What the fuzzer said when it found the bug, and after how long; nothing if it did not within the time. It tries
 * the targets whose name contains `target`.
 */
export function find(
  bug: string,
  seconds: number,
  target = "",
): { finding: string; seconds: number } | undefined {
  const copy = mkdtempSync(join(tmpdir(), "usbferry-seeded-"));
  try {
    build(copy, bug);
    const startMs = performance.now();
    for (let seed = 1; performance.now() - startMs < seconds * 1000; seed++) {
      const main = join(copy, "dist/test/fuzz/main.js");
      const box = TARGET_SECONDS[seed - 1] ?? TARGET_SECONDS.at(-1);
      const options = { target, seed, inputs: INPUTS, seconds: box };
      const argv = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const { status, stdout } = run(process.execPath, [main, ...argv], copy);
      const finding = stdout.split("\n").find((line) => line.includes(`of seed ${seed}: `));
      if (status !== 0 && finding !== undefined)
        return { finding, seconds: (performance.now() - startMs) / 1000 };
      if (status !== 0) throw new Error(`the fuzzer failed without a finding:\n${stdout}`);
    }
    return undefined;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function build(copy: string, bug: string): void {
  for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(TSCONFIG));
  for (const [program, argv] of [
    ["git", ["apply", join(PATCHES, `${bug}.patch`)]],
    [process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"]],
  ] as const) {
    const { status, stdout, stderr } = run(program, argv, copy);
    if (status !== 0) throw new Error(`${program} ${argv.join(" ")} failed:\n${stdout}${stderr}`);
  }
}

function run(
  program: string,
  argv: readonly string[],
  cwd: string,
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program, argv, { cwd, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** First line of a patch: what the bug does. */
export function story(bug: string): string {
  return readFileSync(join(PATCHES, `${bug}.patch`), "utf8").split("\n", 1)[0]!;
}
