import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { UnixAddress } from "./address.ts";
import { LINK_LIMITS } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Listener } from "./listener.ts";
import { dialUnix, listenUnix } from "./unix.ts";

const directory = mkdtempSync(join(tmpdir(), "usbferry-"));
const listeners: Listener[] = [];
after(() => {
  for (const listener of listeners) listener.close();
  rmSync(directory, { recursive: true });
});
let count = 0;

function fresh(): UnixAddress {
  count++;
  return { kind: "unix", path: join(directory, `${count}.sock`) };
}

async function listening(address: UnixAddress): Promise<Listener> {
  const listener = await listenUnix(address, (link) => link.destroy(), LINK_LIMITS);
  listeners.push(listener);
  return listener;
}

async function rejection(promise: Promise<unknown>): Promise<LinkError> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof LinkError, String(error));
  return error;
}

/** A socket file whose process is dead. */
function leaveStale(address: UnixAddress): void {
  const listenAndDie = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", listenAndDie, address.path]);
  assert(existsSync(address.path), "the dead process left its socket");
}

test("the socket is for owner and group only, and goes away with the listener", async () => {
  const address = fresh();
  const listener = await listening(address);
  assert.equal(statSync(address.path).mode & 0o777, 0o660);
  listener.close();
  assert(!existsSync(address.path));
});

test("the socket of a dead process is replaced", async () => {
  const address = fresh();
  leaveStale(address);
  assert.equal((await rejection(dialUnix(address, LINK_LIMITS))).code, "ECONNREFUSED");
  await listening(address);
  (await dialUnix(address, LINK_LIMITS)).destroy();
});

test("of many that replace the socket of a dead process at once, one listens and is reached", async () => {
  for (let round = 0; round < 5; round++) {
    const address = fresh();
    leaveStale(address);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => listening(address)));
    const codes = results.map((result) =>
      result.status === "fulfilled" ? "listens" : (result.reason as LinkError).code,
    );
    assert.deepEqual(codes.toSorted(), [...Array.from({ length: 7 }, () => "EADDRINUSE"), "listens"]);
    (await dialUnix(address, LINK_LIMITS)).destroy();
  }
});

test("a socket in use is refused and stays", async () => {
  const address = fresh();
  await listening(address);
  const error = await rejection(listening(address));
  assert.equal(error.code, "EADDRINUSE");
  assert.match(
    error.message,
    /^cannot listen on unix:.*: another program listens there \(EADDRINUSE\)\. Stop it/,
  );
  (await dialUnix(address, LINK_LIMITS)).destroy();
});

test("a file that is not a socket is refused and stays", async () => {
  const address = fresh();
  writeFileSync(address.path, "precious");
  const error = await rejection(listening(address));
  assert.equal(error.code, "EEXIST");
  assert.match(error.message, /a file that is not a socket is in the way/);
  assert.equal(statSync(address.path).size, "precious".length);
});

test("a directory that does not exist is named as the reason", async () => {
  const error = await rejection(listening({ kind: "unix", path: join(directory, "none", "x.sock") }));
  assert.match(error.message, /directory/);
});

test("a path too long for a socket is refused, not cut", async () => {
  const address: UnixAddress = { kind: "unix", path: join(directory, "x".repeat(108)) };
  assert.equal((await rejection(listening(address))).code, "ENAMETOOLONG");
  assert.equal((await rejection(dialUnix(address, LINK_LIMITS))).code, "ENAMETOOLONG");
});

test("dialling a path without a socket says that there is none", async () => {
  const error = await rejection(dialUnix(fresh(), LINK_LIMITS));
  assert.equal(error.code, "ENOENT");
  assert.match(error.message, /there is no such socket.*usbferry serve/);
});

const unprivileged = { skip: process.getuid?.() === 0 ? "root may do everything" : false };
test("a directory of somebody else is access denied", unprivileged, async () => {
  const closed = join(directory, "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  assert.equal((await rejection(listening({ kind: "unix", path: join(closed, "x.sock") }))).code, "EACCES");
});
