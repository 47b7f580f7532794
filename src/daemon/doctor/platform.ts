import type { Check } from "./check.ts";
import { type Finding, note } from "./finding.ts";

/** Whether this is a system whose kernel and devices can be looked at. */
export class Platform implements Check {
  readonly name = "system";

  run(): readonly Finding[] {
    return [
      note("NOT_LINUX", {
        what: `This is ${process.platform}: its kernel and its devices are not looked at.`,
        why: "Real devices are shared, and devices attached, on Linux alone. Simulated devices are shared everywhere.",
        next: ["For a guest on this machine, run usbferry doctor in the guest."],
      }),
    ];
  }
}
