import { scenarios } from "./scenario.ts";
import { claimedDrivers } from "./scenarios/claimed-drivers.ts";
import { surpriseRemovals, usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsHang } from "./scenarios/usbfs-hang.ts";

scenarios(
  "6.12",
  [usbfsConformance("zero", "high"), claimedDrivers("usbfs"), surpriseRemovals(20), usbfsHang],
  {
    modules: ["vhci-hcd"],
    controllers: ["uhci", "ehci", "xhci"],
  },
);
