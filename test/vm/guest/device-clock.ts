import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KernelNews } from "../../../src/vhci/kernel-news.ts";

const DEVICES = "/sys/bus/usb/devices";
const LONGEST_MS = 30_000;

/** Resolves with the name of the device with these numbers as soon as it is configured, that is: has an interface. */
export async function untilConfigured(vid: string, pid: string): Promise<string> {
  const news = KernelNews.open();
  const limit = AbortSignal.timeout(LONGEST_MS);
  try {
    for (;;) {
      const found = readdirSync(DEVICES).find((name) => isConfigured(name, vid, pid));
      if (found !== undefined) return found;
      await news.next(limit);
    }
  } finally {
    news.close();
  }
}

function isConfigured(name: string, vid: string, pid: string): boolean {
  const attribute = (file: string): string => readFileSync(join(DEVICES, name, file), "latin1").trim();
  try {
    return (
      attribute("idVendor") === vid &&
      attribute("idProduct") === pid &&
      readdirSync(join(DEVICES, name)).some((entry) => entry.startsWith(`${name}:`))
    );
  } catch {
    return false; // an interface, or gone meanwhile
  }
}

/** Times that the main thread of a process has gone to sleep. The others are V8's, which tidies up after work. */
export function sleeps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
}
