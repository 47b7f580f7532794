import { forwardingScenarios } from "./forwarding-guests.ts";
import {
  attachDetach,
  eightSticks,
  forwardedKeyboards,
  forwardedReloads,
  forwardedSticks,
  surpriseRemovals,
} from "./scenarios/forwarded-devices.ts";

forwardingScenarios("6.1", (forwarding) => [
  forwardedSticks(forwarding, { uhci: 4, ehci: 16, xhci: 64 }),
  eightSticks(forwarding),
  forwardedKeyboards(forwarding),
  attachDetach(forwarding, ["uhci", "ehci", "xhci"], 19),
  surpriseRemovals(forwarding, 16),
  forwardedReloads(forwarding, 3),
]);
