import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { socketPair } from "./socket-pair.ts";
import { SystemError } from "./system-error.ts";

const onLinux = { skip: process.platform === "linux" ? false : "needs Linux" };

test("what goes in at one end comes out at the other, both ways", onLinux, () => {
  const pair = socketPair();
  assert(!(pair instanceof SystemError), String(pair));
  const buffer = Buffer.alloc(8);
  for (const [from, to] of [pair, pair.toReversed() as [number, number]]) {
    writeSync(from, "ping");
    assert.equal(buffer.toString("latin1", 0, readSync(to, buffer)), "ping");
  }
  const child = spawnSync("/bin/sh", ["-c", `[ -e /proc/self/fd/${pair[0]} ]`]);
  assert.equal(child.status, 1, "a child process must not inherit it");
  closeSync(pair[0]);
  closeSync(pair[1]);
});

test("an error names the call, the cause and the next step", () => {
  const error = new SystemError("socketpair", 24);
  assert.equal(error.code, "EMFILE");
  assert.match(error.message, /^socketpair failed: too many open files \(EMFILE\)\. Close connections/);
  assert.equal(new SystemError("x", 4_000).code, "errno 4000");
});
