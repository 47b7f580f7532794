import { scenarios } from "./scenario.ts";
import { surpriseRemovals, usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsDrivers } from "./scenarios/usbfs-drivers.ts";
import { usbfsHang } from "./scenarios/usbfs-hang.ts";
import { usbfsSpeed } from "./scenarios/usbfs-speed.ts";

scenarios(
  "6.1",
  [
    usbfsConformance("zero", "full"),
    usbfsConformance("zero", "high"),
    usbfsConformance("zero", "super"),
    usbfsConformance("zero", "high", "poll"),
    usbfsConformance("keyboard", "low"),
    usbfsConformance("serial", "high"),
    usbfsDrivers,
    surpriseRemovals(200),
    usbfsHang,
    usbfsSpeed(3),
  ],
  { modules: ["vhci-hcd"], controllers: ["uhci", "ehci", "xhci"] },
);
