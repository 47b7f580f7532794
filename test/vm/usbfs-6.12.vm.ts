import { scenarios } from "./scenario.ts";
import { claimedDrivers } from "./scenarios/claimed-drivers.ts";
import { passedDevice } from "./scenarios/passed-device.ts";
import { surpriseRemovals, usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsHang } from "./scenarios/usbfs-hang.ts";

scenarios(
  "6.12",
  [usbfsConformance("zero", "high"), claimedDrivers("usbfs"), passedDevice, surpriseRemovals(20), usbfsHang],
  {
    modules: ["vhci-hcd"],
    controllers: ["uhci", "ehci", "xhci"],
  },
);
