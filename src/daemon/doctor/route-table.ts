import type { SystemRoot } from "./system-root.ts";

export interface Route {
  /** The interface. */
  readonly device: string;
  /** Nothing for its own network. */
  readonly gateway: string | undefined;
}

/** How the kernel's main table sends packets for an IPv4 address. */
export function routeTo(root: SystemRoot, address: string): Route | undefined {
  const target = wordOf(address);
  if (target === undefined) return undefined;
  let device = "";
  let gateway = 0;
  let longest = -1;
  for (const line of (root.text("proc/net/route") ?? "").split("\n").slice(1)) {
    const [name, destination = "", via = "", , , , , mask = ""] = line.trim().split(/\s+/);
    // Routes that refuse have no interface.
    if (name === "*" || mask === "") continue;
    const bits = swapped(mask);
    if ((target & bits) !== (swapped(destination) & bits) || bits >>> 0 <= longest) continue;
    longest = bits >>> 0;
    device = name!;
    gateway = swapped(via);
  }
  if (device === "") return undefined;
  const numbers = [24, 16, 8, 0].map((shift) => (gateway >>> shift) & 0xff);
  return { device, gateway: gateway === 0 ? undefined : numbers.join(".") };
}

function wordOf(address: string): number | undefined {
  const parts = address.split(".").map(Number);
  return parts.length === 4 ? parts.reduce((word, part) => (word << 8) | part, 0) : undefined;
}

/** The file has words as they are in memory: in network order, which x86 and ARM read backwards. */
function swapped(hex: string): number {
  const word = Number.parseInt(hex, 16);
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
