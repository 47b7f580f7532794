import { linkScenarios } from "./linked-guest.ts";
import { backendKilled, backendStopped, hostRestarted } from "./scenarios/link-cuts.ts";
import { guestDials, hostDials, vsockConformance, vsockLoopback } from "./scenarios/links.ts";

for (const kernel of ["6.1", "6.12"] as const) {
  linkScenarios(kernel, (backend) => [
    guestDials(backend, "guarded"),
    guestDials(backend, "direct"),
    guestDials(backend, "over WSL-USB"),
    hostDials(backend, "guarded"),
    hostDials(backend, "over WSL-USB"),
    vsockLoopback(["guarded", "direct", "over WSL-USB"]),
    vsockConformance,
    hostRestarted(backend, "guarded"),
    hostRestarted(backend, "over WSL-USB"),
    backendStopped(backend, "guarded"),
    backendStopped(backend, "over WSL-USB"),
    backendKilled(backend),
  ]);
}
