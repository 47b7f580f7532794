import { printable } from "./printable.ts";

/** Tells what a person has to know beside the outcome. */
export function warn(message: string): void {
  process.stderr.write(`usbferry: warning: ${printable(message)}\n`);
}
