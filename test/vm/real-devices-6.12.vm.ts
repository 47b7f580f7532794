import { scenarios } from "./scenario.ts";
import { REAL_DEVICES_BOOT, realDevices } from "./scenarios/real-devices.ts";

scenarios(
  "6.12",
  realDevices({ sticks: { uhci: 1, ehci: 2, xhci: 4 }, soundRounds: 1, flashes: 2 }),
  REAL_DEVICES_BOOT,
);
