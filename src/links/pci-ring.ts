import { DEFAULT_PORT, type PciRingAddress, printAddress } from "./address.ts";
import { dial } from "./dial.ts";
import type { Link, LinkLimits } from "./link.ts";
import { LinkError } from "./link-error.ts";
import { mapPciMemory } from "./pci-memory.ts";
import { findPort, openPort } from "./port-link.ts";
import { RingLink } from "./ring-link.ts";

/** The memory that this virtual machine shares with its host, and what both wake each other by; rejects with a LinkError. */
export async function dialPciRing(address: PciRingAddress, limits: LinkLimits): Promise<RingLink> {
  const mapped = mapPciMemory(address);
  if (mapped instanceof LinkError) throw mapped;
  try {
    return new RingLink(printAddress(address), mapped.memory, await dialBell(address, limits), () =>
      mapped.release(),
    );
  } catch (error) {
    mapped.release();
    throw error;
  }
}

async function dialBell(address: PciRingAddress, limits: LinkLimits): Promise<Link> {
  const { waking = { port: DEFAULT_PORT } } = address;
  if ("wake" in waking) return dial(waking.wake, { limits });
  const subject = printAddress(address);
  const path = findPort(waking.port, subject);
  if (path instanceof LinkError) throw path;
  const link = openPort(path, subject);
  if (link instanceof LinkError) throw link;
  return link;
}
