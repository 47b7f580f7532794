import { throughBar, withinOneKernel } from "./ring-way.ts";
import { ringScenarios } from "./ringed-guest.ts";
import { sharedBar, sharedBarErrors, sharedBarSound, twoBars } from "./scenarios/shared-bar.ts";
import { sharedMemory } from "./scenarios/shared-memory.ts";
import { stickOverMemory } from "./scenarios/shared-stick-ring.ts";
import { usbtest } from "./scenarios/usbtest.ts";

ringScenarios("6.12", (bar) => [
  sharedBarErrors(bar),
  sharedBar(bar),
  sharedBarSound(bar),
  usbtest("high", 2, throughBar(bar)),
  sharedMemory(["disk", "serial"]),
  usbtest("super", 2, withinOneKernel("ring:/run/usbferry.ring")),
  stickOverMemory(4),
  twoBars(bar),
]);
