import type { Scenario } from "../scenario.ts";
import { cancelling } from "./cancelling.ts";
import { guestDetaches, hostKilled } from "./loss.ts";
import { manyDevices } from "./many-devices.ts";
import { silentCut } from "./silence.ts";
import { speeds } from "./speeds.ts";
import { typing } from "./typing.ts";
import { usbtest } from "./usbtest.ts";

/** What a server of gadgets is judged by, with the stock `usbip` tool on the other side. */
export function foundation(counts: {
  readonly cycles: number;
  readonly iterations: number;
  /** Attached at once. */
  readonly devices: number;
}): Scenario[] {
  return [
    speeds,
    usbtest("full", counts.iterations),
    usbtest("high", counts.iterations),
    usbtest("super", counts.iterations),
    typing(["low", "full", "high", "super"]),
    cancelling(counts.cycles),
    manyDevices(counts.devices),
    hostKilled,
    guestDetaches,
    silentCut,
  ];
}
