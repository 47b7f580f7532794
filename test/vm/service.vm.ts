import { scenarios } from "./scenario.ts";
import { service } from "./scenarios/service.ts";

scenarios("6.12", service, { controllers: ["xhci"] });
