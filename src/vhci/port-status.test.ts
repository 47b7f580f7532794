import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePortStatus } from "./port-status.ts";

test("reads the rows of a real kernel by their words", () => {
  const text = `hub port sta spd dev      sockfd local_busid
hs  0000 006 003 00010002 000003 1-1
hs  0001 004 000 00000000 000000 0-0
ss  0015 007 005 00ff0001 000021 10-2.1
`;
  assert.deepEqual(parsePortStatus(text), [
    { port: 0, hub: "hs", state: 6, speed: 3, devid: 0x10002, sysfsName: "1-1" },
    { port: 1, hub: "hs", state: 4, speed: 0, devid: 0, sysfsName: undefined },
    { port: 15, hub: "ss", state: 7, speed: 5, devid: 0xff0001, sysfsName: "10-2.1" },
  ]);
});

test("a row of a controller that is not ready is a port that is not free", () => {
  const [row] = parsePortStatus("hs  0030 000 000 00000000 0000000000000000 0-0\n");
  assert.deepEqual([row!.port, row!.state], [30, 0]);
});

test("the heading, empty lines and half rows are no ports", () => {
  assert.deepEqual(parsePortStatus("hub port sta spd dev      sockfd local_busid\n\nhs  0000 006\n"), []);
});
