import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { onLinux } from "../../test/support/poll-loop.ts";
import { Arena } from "./arena.ts";
import { libc } from "./libc.ts";
import { MemoryAddresses } from "./memory-address.ts";
import { SystemError } from "./system-error.ts";

const PAGE = 4096;

function opened(arena: Arena | SystemError): Arena {
  assert(arena instanceof Arena);
  return arena;
}

/** The line of /proc/self/maps that has this address. */
function mapping(address: number): string | undefined {
  return readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .find((line) => {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
      return Number.parseInt(from!, 16) <= address && address < Number.parseInt(to!, 16);
    });
}

test("an arena is zeroed memory at the address that it tells", onLinux, () => {
  const arena = opened(Arena.anonymous(3 * PAGE));
  const c = libc();
  assert(!(c instanceof SystemError));
  assert.equal(arena.bytes.length, 3 * PAGE);
  assert(arena.bytes.every((byte) => byte === 0));
  assert.equal(new MemoryAddresses(c).of(arena.bytes.subarray(5)), arena.address + 5);
  arena.free();
});

test("a view of a freed arena reads zeros and can be written to", onLinux, () => {
  const arena = opened(Arena.anonymous(2 * PAGE));
  const view = arena.bytes.subarray(PAGE - 4, PAGE + 4);
  view.fill(7);
  arena.free();
  arena.free();
  assert.deepEqual([...view], [0, 0, 0, 0, 0, 0, 0, 0]);
  view.fill(9);
  assert.deepEqual([...view], [9, 9, 9, 9, 9, 9, 9, 9]);
});

test("addresses of a freed arena are given back when nobody has a view any more", onLinux, async () => {
  // So long that no other mapping is one like it.
  const length = 4099 * PAGE;
  const address = (() => {
    const arena = opened(Arena.anonymous(length));
    arena.free();
    return arena.address;
  })();
  assert.notEqual(mapping(address + length / 2), undefined);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 50 && mapping(address + length / 2) !== undefined; i++) {
    collect();
    await turn();
  }
  assert.equal(mapping(address + length / 2), undefined);
});

test("a freed arena of a file does not keep the file open", onLinux, () => {
  const c = libc();
  assert(!(c instanceof SystemError));
  const path = Buffer.from("/dev/zero\0");
  const fd = c.open(new MemoryAddresses(c).of(path), 2);
  assert(fd >= 0);
  const arena = opened(Arena.of(fd, PAGE));
  c.close(fd);
  assert.match(mapping(arena.address)!, /\/dev\/zero/);
  arena.free();
  assert.doesNotMatch(mapping(arena.address) ?? "", /\/dev\/zero/);
});

test("what cannot be mapped is an error with its name", onLinux, () => {
  const closed = Arena.of(9_999, PAGE);
  assert(closed instanceof SystemError);
  assert.deepEqual([closed.code, closed.call], ["EBADF", "mmap of descriptor 9999"]);
  const huge = Arena.anonymous(2 ** 47);
  assert(huge instanceof SystemError);
  assert.equal(huge.code, "ENOMEM");
});

test("nothing of this leaves a descriptor open", onLinux, () => {
  const paths = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  assert(!paths.includes("/dev/zero"));
});
