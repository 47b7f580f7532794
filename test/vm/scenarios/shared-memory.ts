import assert from "node:assert/strict";
import { LINK_LOST_LINES } from "../attachment.ts";
import {
  checkGadgets,
  detachEverything,
  GADGET_LINES,
  type GadgetLevel,
  type LinkGadget,
  SHORT,
} from "../link-gadgets.ts";
import { portsByCall, readyAgent, sessionEnds } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ALL_GADGETS, attachEach, serveInGuest } from "./links.ts";

const ADDRESS = "ring:/run/usbferry.ring";
const LAST: readonly LinkGadget[] = ["disk", "serial"];

/** Host and guest side in one kernel, and memory between them: the devices reach the kernel through vhci. */
export const sharedMemory = (
  gadgets: readonly LinkGadget[] = ALL_GADGETS,
  level: GadgetLevel = SHORT,
): Scenario => ({
  name: `memory of one machine: ${gadgets.join(", ")}, and again after the host was killed`,
  timeoutMs: 600_000,
  expected: [...GADGET_LINES, ...LINK_LOST_LINES],
  async run(guest) {
    let host = await serveInGuest(guest, ADDRESS, gadgets);
    try {
      await readyAgent(guest);
      await checkGadgets(guest, await attachEach(guest, ADDRESS, gadgets, "guarded"), level);
      await host.kill();
      await host.exit;
      await guest.waitFor("nothing attached", async () => (await portsByCall(guest)).ports.length === 0);
      host = await serveInGuest(guest, ADDRESS, LAST);
      await checkGadgets(guest, await attachEach(guest, ADDRESS, LAST, "guarded"));
      await detachEverything(guest);
      assert.deepEqual(
        (await sessionEnds(guest, 4)).slice(-2).map(({ code }) => code),
        ["OK", "OK"],
      );
    } finally {
      await host.kill();
      await host.exit;
    }
  },
});
