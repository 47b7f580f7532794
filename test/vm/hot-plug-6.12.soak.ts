import { scenarios } from "./scenario.ts";
import { HOT_PLUG_BOOT, hotPlug } from "./scenarios/hot-plug.ts";

scenarios("6.12", hotPlug({ starts: 200, idle: true }), HOT_PLUG_BOOT);
