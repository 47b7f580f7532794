import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";

scenarios("6.12", foundation({ cycles: 100, iterations: 20 }), { modules: ["vhci-hcd"] });
