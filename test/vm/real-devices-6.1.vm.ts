import { scenarios } from "./scenario.ts";
import { REAL_DEVICES_BOOT } from "./scenarios/real-devices.ts";
import { sharedKinds } from "./scenarios/shared-kinds.ts";

scenarios("6.1", [sharedKinds()], REAL_DEVICES_BOOT);
