import type { ReadyImport } from "./remote-host.ts";
import type { SessionEnd } from "./session-end.ts";

/** Given back because it is another device than the one that is looked for. */
export const ANOTHER: SessionEnd = { code: "OK", reason: "it is another device" };

/** The serial number that a device tells: empty if it has none, nothing if it does not answer. */
export function serialNumberOf({ device }: ReadyImport): Promise<string | undefined> {
  return new Promise((resolve) => device.readSerialNumber(resolve));
}
