import { scenarios } from "./scenario.ts";
import { doctorShort } from "./scenarios/doctor.ts";

scenarios("6.1", doctorShort, { controllers: ["xhci"] });
