import { scenarios } from "./scenario.ts";
import { conformance } from "./scenarios/usbfs.ts";

scenarios(
  "6.12",
  [
    conformance("zero", "high"),
    conformance("zero", "full"),
    conformance("zero", "super"),
    conformance("keyboard", "low"),
    conformance("serial", "high"),
  ],
  { modules: ["vhci-hcd"] },
);
