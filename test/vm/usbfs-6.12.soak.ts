import { scenarios } from "./scenario.ts";
import { claimedDrivers } from "./scenarios/claimed-drivers.ts";
import { surpriseRemovals, usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsHang } from "./scenarios/usbfs-hang.ts";
import { usbfsSpeed } from "./scenarios/usbfs-speed.ts";

scenarios(
  "6.12",
  [
    usbfsConformance("zero", "full"),
    usbfsConformance("zero", "high"),
    usbfsConformance("zero", "super"),
    usbfsConformance("zero", "high", "poll"),
    usbfsConformance("keyboard", "low"),
    usbfsConformance("serial", "high"),
    claimedDrivers("usbfs"),
    surpriseRemovals(200),
    usbfsHang,
    usbfsSpeed(3),
  ],
  { modules: ["vhci-hcd"], controllers: ["uhci", "ehci", "xhci"] },
);
