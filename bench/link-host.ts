import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Where it listens, or why it cannot. */
export interface Answer {
  readonly address?: string;
  readonly refused?: string;
}

/** A host in a process of its own: one answer for each address. */
export async function startLinkHost(
  folder: string,
  addresses: readonly string[],
): Promise<{ readonly host: ChildProcess; readonly answers: readonly Answer[] }> {
  const script = fileURLToPath(new URL("contenders/link-host.js", import.meta.url));
  const host = spawn(process.execPath, [script, folder, ...addresses], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(host.stdout), "line")) as [string];
  return { host, answers: JSON.parse(line) as readonly Answer[] };
}
