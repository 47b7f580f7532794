import { scenarios } from "./scenario.ts";
import { claimedDrivers } from "./scenarios/claimed-drivers.ts";
import { REAL_DEVICES_BOOT } from "./scenarios/real-devices.ts";
import { sharedKinds } from "./scenarios/shared-kinds.ts";
import { usbfsConformance } from "./scenarios/usbfs.ts";

scenarios(
  "6.1",
  [usbfsConformance("zero", "super"), claimedDrivers("usbfs"), sharedKinds()],
  REAL_DEVICES_BOOT,
);
