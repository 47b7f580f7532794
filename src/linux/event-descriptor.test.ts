import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { onLinux, openPair } from "../../test/support/poll-loop.ts";
import { EventDescriptor } from "./event-descriptor.ts";
import { libc } from "./libc.ts";
import { SystemError } from "./system-error.ts";

/** What an event descriptor has counted, as /proc shows it. */
function count(fd: number): number {
  const [, digits] = /eventfd-count:\s*([0-9a-f]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))!;
  return Number.parseInt(digits!, 16);
}

test("an event that was passed is signalled, and never waited for when it is full", onLinux, () => {
  const c = libc();
  assert(!(c instanceof SystemError));
  const fd = c.eventfd(0, 0);
  const event = EventDescriptor.passed(fd);
  assert(event instanceof EventDescriptor);
  event.signal();
  event.signal();
  assert.equal(count(fd), 2);
  // 2^64 - 2 is the most that fits.
  for (let power = 63; power >= 0; power--) while (c.eventfd_write(fd, 2 ** power) === 0);
  event.signal();
  assert.equal(count(fd), 2 ** 64);
  event.close();
});

test("what is no event is refused", onLinux, () => {
  const [one, other] = openPair();
  const file = openSync("/dev/null", "w");
  for (const fd of [one, other, file, 9_999]) {
    const refused = EventDescriptor.passed(fd);
    assert(refused instanceof SystemError);
    assert.equal(refused.code, "EINVAL");
  }
  for (const fd of [one, other, file]) closeSync(fd);
});
