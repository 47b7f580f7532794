import { scenarios } from "./scenario.ts";
import { recordings } from "./scenarios/recordings.ts";

scenarios("6.12", [recordings], { modules: ["vhci-hcd"] });
