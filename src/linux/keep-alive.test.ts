import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { setKeepAlive } from "./keep-alive.ts";
import { SystemError } from "./system-error.ts";

const onLinux = { skip: process.platform === "linux" ? false : "needs Linux" };
const keepAlive = { idleSeconds: 77, intervalSeconds: 3, probes: 4, userTimeoutMs: 9_000 };

function descriptor(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } };
  return handle.fd;
}

test("the kernel takes the times: its timer counts down from the idle time", onLinux, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  assert.equal(setKeepAlive(descriptor(socket), keepAlive), undefined);
  // Fields of /proc/net/tcp: local address, remote address, state, queues, then timer:expiry in 1/100 s.
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((row) => row.trim().split(/\s+/))
    .find((row) => row[2] === `0100007F:${hex}`);
  const [timer, expiry] = line![5]!.split(":");
  assert.equal(timer, "02", "02 is the keep-alive timer");
  const seconds = Number.parseInt(expiry!, 16) / 100;
  assert(seconds > 70 && seconds <= 78, `${seconds} s`);
  socket.destroy();
  server.close();
});

test("a descriptor that is not open is EBADF, and the message says which option", onLinux, () => {
  const refused = setKeepAlive(9_999, keepAlive);
  assert(refused instanceof SystemError);
  assert.deepEqual([refused.code, refused.errno, refused.call], ["EBADF", 9, "setsockopt TCP_KEEPIDLE"]);
  assert.match(refused.message, /setsockopt TCP_KEEPIDLE failed: bad file descriptor \(EBADF\)/);
});
