import { scenarios } from "./scenario.ts";
import { AUTO_ATTACH_BOOT, autoAttach } from "./scenarios/auto-attach.ts";

scenarios("6.12", autoAttach({ flashes: 50, limitMs: 300, idleSeconds: 60 }), AUTO_ATTACH_BOOT);
