import { scenarios } from "./scenario.ts";
import { claimedDrivers } from "./scenarios/claimed-drivers.ts";
import { surpriseRemovals, usbfsConformance } from "./scenarios/usbfs.ts";
import { usbfsHang } from "./scenarios/usbfs-hang.ts";

// The comparison with usbip-host is for the other kernel: here that module falls over its own finished URB
// under deep bulk traffic (observed: general protection fault in stub_rx_loop).
scenarios(
  "6.1",
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
  ],
  { modules: ["vhci-hcd"], controllers: ["uhci", "ehci", "xhci"] },
);
