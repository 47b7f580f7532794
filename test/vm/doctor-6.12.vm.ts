import { scenarios } from "./scenario.ts";
import { doctor } from "./scenarios/doctor.ts";

scenarios("6.12", doctor, { controllers: ["xhci"] });
