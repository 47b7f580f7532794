import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pinned } from "./pinning.ts";

/** Where it listens, or why it cannot. */
export interface Answer {
  readonly address?: string;
  readonly refused?: string;
}

/** A host in a process of its own, on that processor if one is named: one answer for each address. */
export async function startLinkHost(
  folder: string,
  addresses: readonly string[],
  cpu?: number,
): Promise<{ readonly host: ChildProcess; readonly answers: readonly Answer[] }> {
  const script = fileURLToPath(new URL("contenders/link-host.js", import.meta.url));
  const [program, argv] = pinned(cpu, [process.execPath, script, folder, ...addresses]);
  const host = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(host.stdout), "line")) as [string];
  return { host, answers: JSON.parse(line) as readonly Answer[] };
}
