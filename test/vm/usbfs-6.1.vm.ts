import { scenarios } from "./scenario.ts";
import { usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsDrivers } from "./scenarios/usbfs-drivers.ts";

scenarios("6.1", [usbfsConformance("zero", "super"), usbfsDrivers], {
  modules: ["vhci-hcd"],
  controllers: ["uhci", "ehci", "xhci"],
});
