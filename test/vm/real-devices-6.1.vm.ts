import { scenarios } from "./scenario.ts";
import { REAL_DEVICES_BOOT } from "./scenarios/real-devices.ts";
import { sharedKinds } from "./scenarios/shared-kinds.ts";
import { usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsDrivers } from "./scenarios/usbfs-drivers.ts";

scenarios("6.1", [usbfsConformance("zero", "super"), usbfsDrivers, sharedKinds()], REAL_DEVICES_BOOT);
