import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { peerCredentials } from "./peer-credentials.ts";
import { socketPair } from "./socket-pair.ts";
import { SystemError } from "./system-error.ts";

const skip = process.platform !== "linux";

test("the other end of a pair of ours is this process", { skip }, () => {
  const pair = socketPair();
  assert(!(pair instanceof SystemError));
  assert.deepEqual(peerCredentials(pair[0]), {
    pid: process.pid,
    uid: process.getuid!(),
    gid: process.getgid!(),
  });
  for (const fd of pair) closeSync(fd);
});

test("what is no socket is an error with its call", { skip }, () => {
  const fd = openSync("/dev/null", "r");
  const error = peerCredentials(fd);
  closeSync(fd);
  assert(error instanceof SystemError);
  assert.deepEqual([error.call, error.code], ["getsockopt SO_PEERCRED", "ENOTSOCK"]);
});
