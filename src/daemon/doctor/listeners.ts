import { SocketAddress } from "node:net";
import type { SystemRoot } from "./system-root.ts";

/** TCP_LISTEN (linux/include/net/tcp_states.h), as /proc writes it. */
const LISTEN = "0A";

/** Addresses of this machine at which programs listen on a TCP port. */
export function listenersOn(root: SystemRoot, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const found = new Set<string>();
  for (const file of ["tcp", "tcp6"]) {
    for (const line of (root.text(`proc/net/${file}`) ?? "").split("\n").slice(1)) {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const [address = "", digits] = local.split(":");
      if (state === LISTEN && digits === wanted) found.add(readable(address));
    }
  }
  return Array.from(found);
}

/** Four bytes of an address stand together as they are in memory, backwards. */
function readable(hex: string): string {
  const bytes = hex.match(/.{8}/g)?.flatMap((word) => word.match(/../g)!.toReversed()) ?? [];
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join(".");
  const groups: string[] = [];
  for (let i = 0; i < bytes.length; i += 2) groups.push(`${bytes[i]}${bytes[i + 1]}`);
  return `[${new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address}]`;
}
