import { after } from "node:test";
import { throughBar, withinOneKernel } from "./ring-way.ts";
import { scenarios } from "./scenario.ts";
import { sharedBar, sharedBarErrors, twoBars } from "./scenarios/shared-bar.ts";
import { sharedMemory } from "./scenarios/shared-memory.ts";
import { usbtest } from "./scenarios/usbtest.ts";
import { newBar, removeBar, sharedBarArguments } from "./shared-bar.ts";

const bar = newBar("one");
after(() => removeBar(bar));

scenarios(
  "6.12",
  [
    sharedBarErrors(bar),
    sharedBar(bar),
    usbtest("high", 2, throughBar(bar)),
    twoBars(bar),
    sharedMemory,
    usbtest("super", 2, withinOneKernel("ring:/run/usbferry.ring")),
  ],
  { modules: ["vhci-hcd"], qemuArguments: sharedBarArguments(bar) },
);
