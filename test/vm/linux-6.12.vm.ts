import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { guestSide } from "./scenarios/guest-side.ts";
import { usefulGadgets } from "./scenarios/useful-gadgets.ts";
import { wslusb } from "./scenarios/wslusb.ts";

scenarios(
  "6.12",
  [
    ...foundation({ cycles: 100, iterations: 5, devices: 32 }),
    ...usefulGadgets("full"),
    ...guestSide({
      cycles: 20,
      hostile: 1,
      iterations: 2,
      speeds: ["high"],
      reverse: ["wslusb+unix:/tmp/shared.sock"],
    }),
    ...wslusb("full"),
  ],
  { modules: ["vhci-hcd"] },
);
