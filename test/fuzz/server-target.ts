import { joined } from "./mutation.ts";
import type { Random } from "./random.ts";
import { SESSIONS } from "./session-corpus.ts";
import { mutateSession } from "./session-mutation.ts";
import { SessionRun, type Setting } from "./session-run.ts";
import { requireSame, requireSameBytes, type Target } from "./target.ts";
import { messageStarts } from "./usbip-message.ts";

/** Cuts a stream where time passes, and again between, down to single bytes. */
function schedule(bytes: Uint8Array, random: Random, fine: boolean): number[] {
  const largest = fine ? random.pick([1, 5, 50]) : 1 + random.below(400);
  const cuts: number[] = [];
  for (let at = 0; at < bytes.length; at += 1 + random.below(largest)) cuts.push(at);
  return cuts;
}

function some(positions: readonly number[], random: Random): number[] {
  const share = 1 + random.below(8);
  return positions.filter(() => random.oneIn(share));
}

/** Whole conversations with the server engine over a device that answers by the book. */
export const serverTarget: Target = {
  name: "UsbipServer",
  corpus: SESSIONS.map((session) => joined(session)),
  mutant: mutateSession,
  judge(bytes, random) {
    const limited = random.oneIn(4);
    const setting: Setting = {
      limited,
      stepsOnFlush: random.oneIn(3),
      takesLentData: random.oneIn(2),
      lendsData: random.oneIn(2),
      opensLate: !limited && random.oneIn(8),
      refused: !limited && random.oneIn(30),
      slowReader: random.oneIn(4),
      ending: random.pick(["finish", "finish", "disconnect", "unplug"]),
    };
    const steps = limited ? messageStarts(bytes) : schedule(bytes, random, false);
    // Limits can be foretold only if nothing else comes with a message.
    const coarse = new SessionRun(setting).play(bytes, steps, limited ? some(steps, random) : steps);
    if (!setting.limited && !setting.stepsOnFlush) {
      const cuts = [...new Set([...steps, ...schedule(bytes, random, true)])].toSorted((a, b) => a - b);
      const fine = new SessionRun(setting).play(bytes, cuts, steps);
      requireSameBytes(fine.output, coarse.output, "output of the same bytes cut another way");
      requireSame(fine.ended, coarse.ended, "end of the same bytes cut another way");
    }
    return coarse.ended === undefined || coarse.ended === "unplugged" ? "value" : "error";
  },
};
