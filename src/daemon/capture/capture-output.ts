import { constants, openSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { AccessDenied, Failed } from "../failure.ts";

/** What is pressed on a keyboard stands in its recording. */
const PRIVATE = 0o600;
const FIFO_LOOK_MS = 50;

/**
 * Where a recording is written: a file, or `-`. A FIFO is waited for until somebody reads it, and never makes this process wait
 * afterwards. Rejects with AccessDenied or Failed.
 */
export async function openOutput(path: string, signal: AbortSignal): Promise<Writable> {
  try {
    if (path === "-") return await openStandardOutput(signal);
    return (await isFifo(path)) ? await openFifo(path, signal) : await openFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const text = `${path} cannot be written: ${message}. Name another file with -o.`;
    throw code === "EACCES" || code === "EPERM" || code === "EROFS"
      ? new AccessDenied(text)
      : new Failed(text);
  }
}

/** Node writes to a pipe that it was given and waits; one that is opened anew does not. */
async function openStandardOutput(signal: AbortSignal): Promise<Writable> {
  const again = "/proc/self/fd/1";
  return (await isFifo(again)) ? openFifo(again, signal) : process.stdout;
}

async function openFile(path: string): Promise<Writable> {
  return (await open(path, "w", PRIVATE)).createWriteStream();
}

async function isFifo(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFIFO() === true;
}

async function openFifo(path: string, signal: AbortSignal): Promise<Writable> {
  for (;;) {
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      return new Socket({ fd, readable: false, writable: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      // oxlint-disable-next-line no-await-in-loop -- until somebody reads
      await sleep(FIFO_LOOK_MS, undefined, { signal });
    }
  }
}
