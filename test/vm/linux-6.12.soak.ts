import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";

scenarios("6.12", foundation({ cycles: 1000, iterations: 200 }), { modules: ["vhci-hcd"] });
