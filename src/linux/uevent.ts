/** What the kernel tells of one of its objects (linux: lib/kobject_uevent.c). */
export interface Uevent {
  /** "add", "remove", "bind", "unbind", "change", ... */
  readonly action: string;
  /** Path below the root of sysfs: "/devices/pci0000:00/.../usb1/1-2". */
  readonly path: string;
  /** "usb", "block", ... */
  readonly subsystem: string;
  /** The other variables: DEVTYPE, BUSNUM, DEVNUM, DRIVER, ... */
  readonly variables: ReadonlyMap<string, string>;
}

/** The kernel's own limit is 2 KiB of variables (UEVENT_BUFFER_SIZE) behind one path. */
export const UEVENT_BYTES = 8 << 10;

/** Reads `ACTION@PATH\0KEY=VALUE\0...`; nothing if it is something else, as messages of udev are. */
export function parseUevent(bytes: Uint8Array): Uevent | undefined {
  const parts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8").split("\0");
  // The last part has its end, too; a message that was cut has none.
  if (parts.pop() !== "") return undefined;
  const [heading = "", ...pairs] = parts;
  const at = heading.indexOf("@");
  const variables = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals <= 0) return undefined;
    variables.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const action = heading.slice(0, Math.max(at, 0));
  const path = heading.slice(at + 1);
  const subsystem = variables.get("SUBSYSTEM");
  if (!/^[a-z]+$/.test(action) || !path.startsWith("/") || subsystem === undefined) return undefined;
  if (variables.get("ACTION") !== action || variables.get("DEVPATH") !== path) return undefined;
  return { action, path, subsystem, variables };
}
