import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { ioctl, Memory } from "./system-calls.ts";

/** linux: include/uapi/linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
/** struct ifreq: the name, then the flags */
const IFREQ_SIZE = 40;
const FLAGS_AT = 16;

let tunnel: number | undefined;

/** An interface such as a VPN makes, whose packets nobody fetches. */
export function openTunnel(name: string): void {
  const request = new Memory(IFREQ_SIZE);
  request.bytes.fill(0);
  request.bytes.write(name, "latin1");
  request.bytes.writeUInt16LE(IFF_TUN | IFF_NO_PI, FLAGS_AT);
  tunnel = openSync("/dev/net/tun", "r+");
  const results = [ioctl(tunnel, TUNSETIFF, request), ioctl(tunnel, TUNSETPERSIST, 1)];
  request.free();
  assert.deepEqual(results, [0, 0]);
}

/** As when the program of the VPN ends: the interface stays, without a carrier. */
export function closeTunnel(): void {
  if (tunnel !== undefined) closeSync(tunnel);
  tunnel = undefined;
}
