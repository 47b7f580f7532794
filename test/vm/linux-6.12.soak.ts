import { scenarios } from "./scenario.ts";
import { foundation } from "./scenarios/foundation.ts";
import { usefulGadgets } from "./scenarios/useful-gadgets.ts";

scenarios("6.12", [...foundation({ cycles: 1000, iterations: 200 }), ...usefulGadgets("soak")], {
  modules: ["vhci-hcd"],
});
