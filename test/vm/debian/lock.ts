import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/**
 * Runs `work` while no other process holds the lock file. flock(1) holds it for us and ends with its standard input,
 * so a killed test run leaves no lock behind.
 */
export async function withLock<T>(path: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const holder = spawn("flock", [path, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const failed = once(holder, "exit").then(([code]) => {
    throw new Error(`flock could not lock ${path} (exit code ${code}).`);
  });
  const patience = setTimeout(waiting, 300);
  try {
    await Promise.race([once(createInterface(holder.stdout), "line"), failed]);
    clearTimeout(patience);
    return await work();
  } finally {
    clearTimeout(patience);
    failed.catch(() => {}); // from here on its end is what we want
    holder.stdin.end();
  }
}
