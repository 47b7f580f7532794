/** A port of vhci_hcd, as its `status` files tell (linux: drivers/usb/usbip/vhci_sysfs.c). */
export interface PortStatus {
  /** What `attach` and `detach` take; unique over all controllers. */
  readonly port: number;
  /** `hs` takes devices up to high speed, `ss` those above. */
  readonly hub: "hs" | "ss";
  /** One of `PortState`, or 0 while its controller is not ready. */
  readonly state: number;
  /** enum usb_device_speed, 0 while nothing is attached. */
  readonly speed: number;
  readonly devid: number;
  /** Name of the device below /sys/bus/usb/devices once it has an address. */
  readonly sysfsName: string | undefined;
}

/** enum usbip_device_status, the client's part */
export const PortState = { FREE: 4, NOT_ADDRESSED: 5, USED: 6, ERROR: 7 } as const;

export function isInUse({ state }: PortStatus): boolean {
  return state === PortState.NOT_ADDRESSED || state === PortState.USED || state === PortState.ERROR;
}

/**
 * Reads one `status` file by its words: the widths of the columns differ between kernels, and in the rows of a
 * controller that is not ready.
 */
export function parsePortStatus(text: string): readonly PortStatus[] {
  return text
    .split("\n")
    .map(parseLine)
    .filter((status) => status !== undefined);
}

/** The same for one port: a machine may have hundreds. */
export function parseOnePortStatus(text: string, port: number): PortStatus | undefined {
  const line = new RegExp(`^[hs]s\\s+0*${port}\\s.*$`, "m").exec(text)?.[0];
  return line === undefined ? undefined : parseLine(line);
}

function parseLine(line: string): PortStatus | undefined {
  const [hub, port, state, speed, devid, , sysfsName] = line.trim().split(/\s+/);
  if ((hub !== "hs" && hub !== "ss") || devid === undefined) return undefined;
  return {
    port: Number(port),
    hub,
    state: Number(state),
    speed: Number(speed),
    devid: Number.parseInt(devid, 16),
    sysfsName: sysfsName === undefined || sysfsName === "0-0" ? undefined : sysfsName,
  };
}
