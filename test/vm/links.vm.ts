import { scenarios } from "./scenario.ts";
import { vsockConformance } from "./scenarios/links.ts";

scenarios("6.12", [vsockConformance], { modules: ["vsock", "vsock_loopback"] });
