import { setTimeout as sleep } from "node:timers/promises";
import { isInUse } from "./port-status.ts";
import { Vhci } from "./vhci.ts";

/** The kernel takes milliseconds. */
const LONGEST_MS = 1_000;
const LOOK_MS = 5;

/**
 * Waits for a port whose device a usbferry has let go of, this one or one that died, until the kernel has freed it. What
 * others have there is not waited for.
 */
export async function untilLeft(vhci: Vhci, port: number): Promise<void> {
  const endMs = performance.now() + LONGEST_MS;
  for (;;) {
    const status = vhci.port(port);
    if (status === undefined || !isInUse(status) || !Vhci.isOurs(status)) return;
    if (performance.now() >= endMs) return;
    // oxlint-disable-next-line no-await-in-loop -- the kernel tells nobody
    await sleep(LOOK_MS);
  }
}
