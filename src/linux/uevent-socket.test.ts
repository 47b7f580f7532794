import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { forgeUevent } from "../../test/support/forged-uevent.ts";
import { SystemError } from "./system-error.ts";
import type { Uevent } from "./uevent.ts";
import { EVENTS_LOST, SILENCE, UeventSocket } from "./uevent-socket.ts";

const asRoot = { skip: process.getuid?.() === 0 ? false : "needs root, to have the kernel say something" };

/** The kernel says this of /dev/null to all who listen. */
function provoke(): void {
  writeFileSync("/sys/class/mem/null/uevent", "change");
}

function open(): UeventSocket {
  const socket = UeventSocket.open();
  assert(socket instanceof UeventSocket);
  return socket;
}

function heard(socket: UeventSocket): (Uevent | string)[] {
  const all: (Uevent | string)[] = [];
  for (;;) {
    const next = socket.hear();
    assert(!(next instanceof SystemError));
    if (next === SILENCE) return all;
    all.push(next);
  }
}

function ofNull(all: readonly (Uevent | string)[]): readonly Uevent[] {
  return all.filter(
    (event): event is Uevent => typeof event === "object" && event.path === "/devices/virtual/mem/null",
  );
}

test("what the kernel says is heard", asRoot, () => {
  const socket = open();
  provoke();
  const [event] = ofNull(heard(socket));
  assert.equal(event?.action, "change");
  assert.equal(event?.subsystem, "mem");
  assert.equal(event?.variables.get("DEVNAME"), "null");
  socket.close();
});

test("what another process sends is passed over", asRoot, () => {
  const socket = open();
  const forged = Buffer.from(
    "change@/devices/virtual/mem/null\0ACTION=change\0DEVPATH=/devices/virtual/mem/null\0SUBSYSTEM=mem\0",
  );
  assert.equal(forgeUevent(forged, 0, 1), forged.length);
  assert.deepEqual(ofNull(heard(socket)), []);
  provoke();
  assert.equal(ofNull(heard(socket)).length, 1, "the socket was reached, and goes on");
  socket.close();
});

test("events that nobody reads in time are lost, and it is told once", asRoot, () => {
  const socket = open();
  for (let i = 0; i < 5_000; i++) provoke();
  const all = heard(socket);
  assert.equal(all.filter((event) => event === EVENTS_LOST).length, 1);
  assert(ofNull(all).length < 5_000);
  provoke();
  assert.equal(ofNull(heard(socket)).length, 1);
  socket.close();
});

test("a socket that was closed fails as a value", { skip: process.platform !== "linux" }, () => {
  const socket = open();
  socket.close();
  const failed = socket.hear();
  assert(failed instanceof SystemError);
  assert.equal(failed.code, "EBADF");
});
