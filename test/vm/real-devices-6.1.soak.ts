import { scenarios } from "./scenario.ts";
import { REAL_DEVICES_BOOT, realDevices } from "./scenarios/real-devices.ts";

scenarios(
  "6.1",
  realDevices({ sticks: { uhci: 4, ehci: 16, xhci: 64 }, soundRounds: 3, flashes: 50 }),
  REAL_DEVICES_BOOT,
);
