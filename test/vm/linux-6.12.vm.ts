import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { usefulGadgets } from "./scenarios/useful-gadgets.ts";

scenarios("6.12", [...foundation({ cycles: 100, iterations: 20 }), ...usefulGadgets("full")], {
  modules: ["vhci-hcd"],
});
