import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { guestSide } from "./scenarios/guest-side.ts";

scenarios(
  "6.12",
  [
    ...foundation({ cycles: 100, iterations: 20 }),
    ...guestSide({ cycles: 20, iterations: 2, speeds: ["high"], reverse: ["unix:/tmp/reverse.sock"] }),
  ],
  { modules: ["vhci-hcd"] },
);
