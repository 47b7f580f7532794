import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A program of the preparation ended badly; the message is one line that a person can act on. */
export class ProgramFailure extends Error {}

/** Runs a program to its end and returns what it printed. */
export function outputOf(argv: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const [command, ...rest] = mortal(argv);
  return new Promise((resolve, reject) => {
    execFile(
      command!,
      rest,
      { ...options, encoding: "utf8", maxBuffer: 1 << 26 },
      (error: (Error & { code?: string | number | null }) | null, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new ProgramFailure(failureText(argv[0]!, error, stderr)));
      },
    );
  });
}

/** Runs a program with a file as its standard input and a new file as its standard output. */
export async function filter(argv: readonly string[], input: string, output: string): Promise<void> {
  const [command, ...rest] = mortal(argv);
  const source = await open(input, "r");
  const sink = await open(output, "w");
  try {
    const child = spawn(command!, rest, { stdio: [source.fd, sink.fd, "pipe"] });
    let complaint = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0)
      throw new ProgramFailure(`${argv[0]} failed on ${input}: ${complaint.trim() || `exit code ${code}`}`);
  } finally {
    await source.close();
    await sink.close();
  }
}

/** The first of the names that no folder of PATH holds. */
export function missingProgram(names: readonly string[]): string | undefined {
  const { PATH = "" } = process.env;
  const folders = PATH.split(":");
  return names.find((name) => !folders.some((folder) => existsSync(join(folder, name))));
}

/** A killed test run must not leave programs behind that go on writing, or hold apt's locks. */
function mortal(argv: readonly string[]): string[] {
  return ["setpriv", "--pdeathsig", "KILL", ...argv];
}

function failureText(
  command: string,
  error: Error & { code?: string | number | null },
  stderr: string,
): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const complaint = lines.find((line) => line.startsWith("E: ")) ?? lines[0] ?? error.message;
  return `${command}: ${complaint.trim()}`;
}
