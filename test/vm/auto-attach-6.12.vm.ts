import { scenarios } from "./scenario.ts";
import { AUTO_ATTACH_BOOT, autoAttach } from "./scenarios/auto-attach.ts";

scenarios("6.12", autoAttach({ flashes: 5, idleSeconds: 10 }), AUTO_ATTACH_BOOT);
