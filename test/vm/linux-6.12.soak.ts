import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { guestSide } from "./scenarios/guest-side.ts";
import { usefulGadgets } from "./scenarios/useful-gadgets.ts";
import { wslusb } from "./scenarios/wslusb.ts";

scenarios(
  "6.12",
  [
    ...foundation({ cycles: 1000, iterations: 200, devices: 32 }),
    ...usefulGadgets("soak"),
    ...guestSide({
      cycles: 500,
      hostile: 20,
      iterations: 200,
      speeds: ["full", "high", "super"],
      reverse: ["tcp:3241", "unix:/tmp/reverse.sock", "wslusb+unix:/tmp/shared.sock"],
    }),
    ...wslusb("full"),
  ],
  { modules: ["vhci-hcd"] },
);
