import { closeSync, writeFileSync, writeSync } from "node:fs";
import { socketpair } from "./system-calls.ts";

const HIGH_SPEED = 3;

/** Gives port 0 of vhci a connection whose other side talks nonsense. */
export function attachJunk(): void {
  const [kernelEnd, ourEnd] = socketpair();
  writeFileSync("/sys/devices/platform/vhci_hcd.0/attach", `0 ${kernelEnd} ${(1 << 16) | 2} ${HIGH_SPEED}`);
  closeSync(kernelEnd); // the kernel holds a reference of its own
  writeSync(ourEnd, Buffer.alloc(48, 0xee)); // one USB/IP header, of a command that nobody defined
  closeSync(ourEnd);
}
