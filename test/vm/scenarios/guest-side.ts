import { DIRECT, GUARDED } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { attachCycles } from "./attach-cycles.ts";
import { attachRaces } from "./attach-races.ts";
import { cancelling } from "./cancelling.ts";
import { guardedAttach } from "./guarded-attach.ts";
import { hostileHost, silentHost } from "./hostile-host.ts";
import { kernelExport } from "./kernel-export.ts";
import { reverse } from "./reverse.ts";
import { speeds } from "./speeds.ts";
import { typing } from "./typing.ts";
import { usbtest } from "./usbtest.ts";

/** What our own side in the guest is judged by: the relay between a host and the guest's kernel. */
export function guestSide(counts: {
  readonly cycles: number;
  readonly iterations: number;
  /** How often each bad reply is given, and a host falls silent. */
  readonly hostile: number;
  readonly speeds: readonly ("full" | "high" | "super")[];
  /** Where hosts dial in. */
  readonly reverse: readonly string[];
}): Scenario[] {
  return [
    guardedAttach,
    speeds(GUARDED),
    speeds(DIRECT),
    attachCycles(counts.cycles),
    ...counts.speeds.map((speed) => usbtest(speed, counts.iterations, GUARDED)),
    typing(["full"], GUARDED),
    cancelling(counts.cycles, GUARDED),
    hostileHost(counts.hostile),
    silentHost(counts.hostile),
    attachRaces,
    kernelExport,
    ...counts.reverse.map(reverse),
  ];
}
