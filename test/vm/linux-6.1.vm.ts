import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { guestSide } from "./scenarios/guest-side.ts";
import { usefulGadgets } from "./scenarios/useful-gadgets.ts";
import { wslusb } from "./scenarios/wslusb.ts";

scenarios(
  "6.1",
  [
    ...foundation({ cycles: 20, iterations: 5, devices: 8 }),
    ...usefulGadgets("short"),
    ...guestSide({ cycles: 10, hostile: 1, iterations: 2, speeds: ["super"], reverse: ["tcp:3241"] }),
    ...wslusb("short"),
  ],
  { modules: ["vhci-hcd"] },
);
