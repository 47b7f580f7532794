import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A program of the preparation ended badly; the message is one line that a person can act on. */
export class ProgramFailure extends Error {}

/** Runs a program to its end and returns what it printed. */
export function outputOf(argv: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const [command, ...rest] = argv;
  return new Promise((resolve, reject) => {
    execFile(
      command!,
      rest,
      { ...options, encoding: "utf8", maxBuffer: 1 << 26 },
      (error: (Error & { code?: string | number | null }) | null, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new ProgramFailure(failureText(command!, error, stderr)));
      },
    );
  });
}

/** Runs a program with a file as its standard input and a new file as its standard output. */
export async function filter(argv: readonly string[], input: string, output: string): Promise<void> {
  const [command, ...rest] = argv;
  const source = await open(input, "r");
  const sink = await open(output, "w");
  try {
    const child = spawn(command!, rest, { stdio: [source.fd, sink.fd, "pipe"] });
    let complaint = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0)
      throw new ProgramFailure(`${command} failed on ${input}: ${complaint.trim() || `exit code ${code}`}`);
  } finally {
    await source.close();
    await sink.close();
  }
}

/** The first of the names that no folder of PATH holds. */
export async function missingProgram(names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    try {
      await outputOf(["sh", "-c", 'command -v "$0"', name]);
    } catch {
      return name;
    }
  }
  return undefined;
}

function failureText(
  command: string,
  error: Error & { code?: string | number | null },
  stderr: string,
): string {
  const complaint = stderr
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(0, 3)
    .join(" ");
  return `${command} failed (${error.code ?? "killed"}): ${complaint || error.message}`;
}
