import { basename, relative } from "node:path";

/** How this very command was called, to be typed again: by its name, or out of a checkout through node. */
export function invocation(): string {
  const [, script = ""] = process.argv;
  return basename(script) === "usbferry" ? "usbferry" : `node ${relative("", script)}`;
}
