import { scenarios } from "./scenario.ts";
import { AUTO_ATTACH_BOOT, flashReset } from "./scenarios/auto-attach.ts";

scenarios("6.1", [flashReset(2)], AUTO_ATTACH_BOOT);
