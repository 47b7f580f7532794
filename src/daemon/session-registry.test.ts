import assert from "node:assert/strict";
import { test } from "node:test";
import { TransferCounters } from "../usb/transfer-counters.ts";
import { TransferStatus } from "../usb/urb.ts";
import type { DeviceEvent } from "./device-event.ts";
import { EventLog } from "./event-log.ts";
import type { SessionEnd } from "./session-end.ts";
import { SessionRegistry } from "./session-registry.ts";

const ZERO = { busid: "zero", vid: "0525", pid: "a4a0", speed: "high" };
const PEER = "tcp:192.0.2.7:1234";

function registry(): { sessions: SessionRegistry; events: DeviceEvent[] } {
  const log = new EventLog();
  const events: DeviceEvent[] = [];
  log.subscribe((event) => void events.push(event));
  return { sessions: new SessionRegistry(log), events };
}

const told = (events: readonly DeviceEvent[]) => events.map(({ kind, code }) => [kind, code]);

test("a session is plain facts from its beginning to its end", () => {
  const { sessions, events } = registry();
  const entry = sessions.open(PEER, { end() {} });
  assert.deepEqual(
    sessions.sessions().map(({ id, peer, link, device }) => ({ id, peer, link, device })),
    [{ id: "s1", peer: PEER, link: "tcp", device: undefined }],
  );
  entry.imported(ZERO);
  assert.equal(sessions.sessions().find(({ device }) => device?.busid === "zero")?.id, "s1");
  assert.equal(sessions.sessions().find(({ id }) => id === "s1")?.counters, undefined, "nobody counts");
  entry.ended({ code: "OK", reason: "the peer closed" });
  assert.deepEqual(sessions.sessions(), []);
  assert.deepEqual(told(events), [
    ["attached", undefined],
    ["detached", "OK"],
  ]);
  assert.equal(sessions.open(PEER, { end() {} }).id, "s2");
});

test("counters are asked for when somebody looks", () => {
  const { sessions } = registry();
  const counters = TransferCounters.of([0x81]);
  sessions.open(PEER, { end() {} }).imported(ZERO, counters);
  const ended = (): void => counters.ended(0x81, TransferStatus.ok, 512, 0);
  ended();
  assert.equal(sessions.sessions().find(({ id }) => id === "s1")?.counters?.urbs, 1);
  ended();
  assert.equal(sessions.sessions().find(({ id }) => id === "s1")?.counters?.urbs, 2);
});

test("a kick ends the session with KICKED and waits for its end", async () => {
  const { sessions, events } = registry();
  const ends: SessionEnd[] = [];
  const entry = sessions.open(PEER, {
    end: (end) => {
      ends.push(end);
      setImmediate(() => entry.ended(end));
    },
  });
  entry.imported(ZERO);
  const kicked = await sessions.kick("s1");
  assert.deepEqual([kicked?.id, kicked?.device], ["s1", ZERO]);
  assert.deepEqual(
    ends.map(({ code }) => code),
    ["KICKED"],
  );
  assert.deepEqual(told(events).at(-1), ["detached", "KICKED"]);
  assert.equal(await sessions.kick("s1"), undefined);
});

test("only what somebody has to know of connections without a device is told", () => {
  const { sessions, events } = registry();
  for (const code of ["OK", "DISCONNECTED", "LINK_LOST", "BAD_VERSION"] as const) {
    sessions.open(PEER, { end() {} }).ended({ code, reason: "" });
  }
  sessions.open(PEER, { end() {} }).refused("zero", "DEVICE_BUSY", "it is in use");
  assert.deepEqual(told(events), [
    ["error", "BAD_VERSION"],
    ["refused", "DEVICE_BUSY"],
  ]);
});
