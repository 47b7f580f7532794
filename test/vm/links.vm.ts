import { linkScenarios } from "./linked-guest.ts";
import { guestDials, hostDials, vsockConformance, vsockLoopback } from "./scenarios/links.ts";

linkScenarios("6.12", (backend) => [
  guestDials(backend, "guarded"),
  guestDials(backend, "direct", ["disk", "serial"]),
  guestDials(backend, "over WSL-USB"),
  hostDials(backend, "guarded", ["disk", "serial"]),
  hostDials(backend, "over WSL-USB", ["disk", "serial"]),
  vsockLoopback(["guarded", "over WSL-USB"], ["disk", "zero"]),
  vsockConformance,
]);
