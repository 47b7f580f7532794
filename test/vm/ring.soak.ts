import { FULL } from "./link-gadgets.ts";
import { throughBar, withinOneKernel } from "./ring-way.ts";
import { ringScenarios } from "./ringed-guest.ts";
import { sharedBar, sharedBarErrors, sharedBarSound, twoBars } from "./scenarios/shared-bar.ts";
import { sharedMemory } from "./scenarios/shared-memory.ts";
import { stickOverMemory } from "./scenarios/shared-stick-ring.ts";
import { usbtest } from "./scenarios/usbtest.ts";

const ITERATIONS = 50;

for (const kernel of ["6.1", "6.12"] as const) {
  ringScenarios(kernel, (bar) => [
    sharedMemory(undefined, FULL),
    usbtest("full", ITERATIONS, withinOneKernel("ring:/run/usbferry.ring")),
    usbtest("high", ITERATIONS, withinOneKernel("ring:/run/usbferry.ring")),
    usbtest("super", ITERATIONS, withinOneKernel("ring:/run/usbferry.ring")),
    sharedBarErrors(bar),
    sharedBar(bar),
    sharedBarSound(bar),
    usbtest("high", ITERATIONS, throughBar(bar)),
    usbtest("super", ITERATIONS, throughBar(bar)),
    stickOverMemory(32),
    twoBars(bar),
  ]);
}
