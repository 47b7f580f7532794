import assert from "node:assert/strict";
import { printAddress } from "./address.ts";
import { dialFirecrackerVsock } from "./firecracker-vsock.ts";
import type { Link } from "./link.ts";
import { LINK_LIMITS } from "./link.ts";
import type { LinkAddress, LinkOptions } from "./listen.ts";
import { dialTcp } from "./tcp.ts";
import { dialTls } from "./tls.ts";
import { dialUnix } from "./unix.ts";
import { dialVsock } from "./vsock.ts";

/** Connects; rejects with a LinkError. The link reads nothing before it is started. */
export function dial(address: LinkAddress, options: LinkOptions = {}): Promise<Link> {
  const { limits = LINK_LIMITS, trust } = options;
  switch (address.kind) {
    case "tcp":
      return dialTcp(address, limits);
    case "tls":
      assert(trust !== undefined, "who dials tls: needs to know whom to trust");
      return dialTls(address, limits, trust);
    case "unix":
      return dialUnix(address, limits);
    case "vsock":
      return dialVsock(address, limits);
    case "fc-vsock":
      return dialFirecrackerVsock(address, limits);
    case "ring":
      return dialUnix({ kind: "unix", path: address.path }, limits, printAddress(address));
  }
}
