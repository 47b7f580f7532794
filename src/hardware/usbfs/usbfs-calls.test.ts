import assert from "node:assert/strict";
import { test } from "node:test";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { UsbfsCalls } from "./usbfs-calls.ts";

test("the number of a node is forgotten with the calls that close it", onLinux, () => {
  const place = { busid: "1-1", busnum: 1, devnum: 4, path: "", node: "", interfaces: [] };
  const calls = UsbfsCalls.of({ ...place, speed: 2, configuration: 1, descriptors: new Uint8Array(18) });
  assert(calls instanceof UsbfsCalls);
  calls.fd = 9;
  calls.clear();
  calls.release(0);
  calls.close();
  assert.equal(calls.fd, 9);
  calls.clear();
  assert.equal(calls.fd, -1);
  calls.free();
});
