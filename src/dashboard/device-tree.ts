import type { Device } from "./api.ts";

/** A device, and what is plugged into it. */
export interface Branch {
  readonly device: Device;
  readonly below: readonly Branch[];
}

/** Real devices as they hang on hubs: `1-2.4` is port 4 of `1-2`, if that one is told of. */
export function treeOf(devices: readonly Device[]): readonly Branch[] {
  const branches = new Map(devices.map((device) => [device.busid, { device, below: [] as Branch[] }]));
  const roots: Branch[] = [];
  for (const branch of branches.values()) {
    const hub = branches.get(hubOf(branch.device.busid));
    (hub?.below ?? roots).push(branch);
  }
  return roots;
}

function hubOf(busid: string): string {
  const dot = busid.lastIndexOf(".");
  return dot < 0 ? "" : busid.slice(0, dot);
}
