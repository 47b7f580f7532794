import { forwardingScenarios } from "./forwarding-guests.ts";
import {
  attachDetach,
  comesBack,
  forwardedReloads,
  forwardedSticks,
  surpriseRemovals,
} from "./scenarios/forwarded-devices.ts";

forwardingScenarios("6.12", (forwarding) => [
  forwardedSticks(forwarding, { uhci: 1, ehci: 2, xhci: 4 }),
  attachDetach(forwarding, ["xhci"], 8),
  surpriseRemovals(forwarding, 4),
  comesBack(forwarding),
  forwardedReloads(forwarding, 1),
]);
