import { join } from "node:path";
import type { SystemRoots } from "../../hardware/usbfs/enumeration.ts";

/** Where this machine shows its devices, and what is done with them. */
export interface MachineRoots extends SystemRoots {
  readonly proc: string;
}

/** The usual places, or those below the folder that USBFERRY_ROOT names: a container may have them there. */
export function machineRoots(): MachineRoots {
  const { USBFERRY_ROOT = "" } = process.env;
  const root = USBFERRY_ROOT === "" ? "/" : USBFERRY_ROOT;
  return { sysfs: join(root, "sys"), dev: join(root, "dev"), proc: join(root, "proc") };
}
