import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { MappedPool } from "./mapped-pool.ts";

/** Can be mapped as a device node of usbfs can. */
function openPool(): { readonly pool: MappedPool; readonly fd: number } {
  const fd = openSync("/dev/zero", "r+");
  return { pool: new MappedPool(fd), fd };
}

function mapped(): number {
  return readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .filter((line) => line.includes("/dev/zero"))
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) /.exec(line)!)
    .reduce((sum, [, from, to]) => sum + Number.parseInt(to!, 16) - Number.parseInt(from!, 16), 0);
}

const KIB = 1 << 10;

test("pieces hold a power of two and what stands around it, and are used again", onLinux, () => {
  const { pool, fd } = openPool();
  for (const [asked, size] of [
    [16 * KIB, 20 * KIB],
    [16 * KIB + 48, 20 * KIB],
    [20 * KIB, 20 * KIB],
    [20 * KIB + 1, 36 * KIB],
    [64 * KIB + 48, 68 * KIB],
    [100 * KIB, 132 * KIB],
    [1024 * KIB + 48, 1028 * KIB],
  ] as const) {
    const buffer = pool.take(asked)!;
    assert.equal(buffer.length, size, `${asked}`);
    pool.give(buffer);
    assert.equal(pool.take(asked), buffer);
    pool.give(buffer);
  }
  pool.close();
  closeSync(fd);
});

test("what is too short, too long or too much is left to the sink", onLinux, () => {
  const { pool, fd } = openPool();
  assert.equal(pool.take(16 * KIB - 1), undefined);
  assert.equal(pool.take(1028 * KIB + 1), undefined);
  const taken = Array.from({ length: 4 }, () => pool.take(512 * KIB + 48));
  assert.deepEqual(
    taken.map((buffer) => buffer?.length),
    [516, 516, 516, 516].map((kib) => kib * KIB),
  );
  const large = pool.take(1024 * KIB)!;
  assert.equal(pool.take(1024 * KIB), undefined, "more than 4 MiB");
  assert.equal(mapped(), (4 * 516 + 1028) * KIB);
  for (const buffer of [...taken, large]) pool.give(buffer!);
  pool.close();
  closeSync(fd);
});

test("a closed pool lets go of everything, of what is out when it comes back", onLinux, () => {
  const { pool, fd } = openPool();
  const [out, idle] = [pool.take(64 * KIB)!, pool.take(64 * KIB)!];
  pool.give(idle);
  pool.close();
  assert.equal(mapped(), 68 * KIB);
  out.fill(1);
  pool.give(out);
  assert.equal(mapped(), 0);
  out.fill(2);
  assert.equal(pool.take(64 * KIB), undefined);
  closeSync(fd);
});
