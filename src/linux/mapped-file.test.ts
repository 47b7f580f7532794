import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { onLinux } from "../../test/support/poll-loop.ts";
import { Arena } from "./arena.ts";
import { MappedFile } from "./mapped-file.ts";
import { createMemoryFile } from "./memory-file.ts";
import { SystemError } from "./system-error.ts";

const PAGE = 4096;
const GIB = 2 ** 30;

function memory(length: number): number {
  const fd = createMemoryFile("usbferry mapped", length);
  assert(typeof fd === "number");
  return fd;
}

function mapped(fd: number, offset: number, length: number, isWritable = true): MappedFile {
  const file = MappedFile.of(fd, offset, length, isWritable);
  assert(file instanceof MappedFile);
  return file;
}

/** Bytes of address space that this process has. */
function addressSpace(): number {
  return PAGE * Number(readFileSync("/proc/self/statm", "latin1").split(" ")[0]);
}

/** Those of files of this name. */
function mappedBytes(name: string): number {
  return readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .filter((line) => line.includes(name))
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) /.exec(line)!)
    .reduce((sum, [, from, to]) => sum + Number.parseInt(to!, 16) - Number.parseInt(from!, 16), 0);
}

test("a part of a file is seen from its offset on", onLinux, () => {
  const fd = memory(4 * PAGE);
  const whole = Arena.of(fd, 4 * PAGE);
  assert(whole instanceof Arena);
  const part = mapped(fd, PAGE, 2 * PAGE);
  closeSync(fd);
  whole.bytes[PAGE + 7] = 1;
  assert.equal(part.view(7, 1)![0], 1);
  part.view(2 * PAGE - 1, 1)![0] = 2;
  assert.equal(whole.bytes[3 * PAGE - 1], 2);
  assert.equal(part.view(2 * PAGE - 1, 2), undefined);
  assert.equal(part.view(2 * PAGE, 1), undefined);
  part.free();
  whole.free();
});

test("ranges of 6 GiB are seen at their place, across every GiB", onLinux, () => {
  const fd = memory(6 * GIB);
  const file = mapped(fd, 0, 6 * GIB);
  for (let at = GIB / 2; at < 6 * GIB; at += GIB / 2) {
    file.view(at - 4, 8)!.set([1, 2, 3, 4, 5, 6, 7, at / (GIB / 2)]);
  }
  const other = mapped(fd, 2 * GIB, 4 * GIB);
  closeSync(fd);
  for (let at = 5 * (GIB / 2); at < 6 * GIB; at += GIB / 2) {
    assert.deepEqual([...other.view(at - 2 * GIB - 4, 8)!], [1, 2, 3, 4, 5, 6, 7, at / (GIB / 2)]);
  }
  assert.equal(file.view(0, GIB / 2)!.length, GIB / 2);
  assert.equal(file.view(0, GIB / 2 + 1), undefined);
  file.free();
  other.free();
});

test(
  "views of what was freed see other memory, and addresses come back when nobody has one",
  onLinux,
  async () => {
    const before = mappedBytes("usbferry mapped");
    const spaceBefore = addressSpace();
    const fd = memory(4 * GIB);
    (() => {
      const file = mapped(fd, 0, 4 * GIB);
      const view = file.view(PAGE, 4)!;
      file.view(3 * GIB, 1);
      view.fill(7);
      file.free();
      file.free();
      assert.deepEqual([...view], [0, 0, 0, 0]);
      view.fill(9);
      assert.equal(file.view(PAGE, 4), undefined);
      const again = mapped(fd, PAGE, PAGE);
      assert.deepEqual([...again.view(0, 4)!], [7, 7, 7, 7]);
      again.free();
    })();
    const unseen = mapped(fd, 0, 4 * GIB);
    unseen.free();
    closeSync(fd);
    assert.equal(mappedBytes("usbferry mapped"), before);
    assert(addressSpace() > spaceBefore + 3 * GIB);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let i = 0; i < 50 && addressSpace() > spaceBefore + GIB; i++) {
      collect();
      // oxlint-disable-next-line no-await-in-loop -- finalizers run between turns
      await turn();
    }
    assert(addressSpace() < spaceBefore + GIB);
  },
);

test("what cannot be mapped is an error with its name", onLinux, () => {
  const fd = memory(2 * PAGE);
  const reasons = [
    [fd, 0, 3 * PAGE],
    [fd, PAGE, 2 * PAGE],
    [fd, 0, 0],
    [fd, 0, 100],
    [fd, 100, PAGE],
    [9_999, 0, PAGE],
  ].map(([of, offset, length]) => {
    const refused = MappedFile.of(of!, offset!, length!, true);
    assert(refused instanceof SystemError);
    return refused.code;
  });
  assert.deepEqual(reasons, ["EINVAL", "EINVAL", "EINVAL", "EINVAL", "EINVAL", "EBADF"]);
  const readOnly = openSync(`/proc/self/fd/${fd}`, "r");
  const refused = MappedFile.of(readOnly, 0, PAGE, true);
  assert(refused instanceof SystemError && refused.code === "EACCES");
  const file = mapped(readOnly, 0, PAGE, false);
  assert.equal(file.view(0, 1)![0], 0);
  file.free();
  closeSync(readOnly);
  closeSync(fd);
});
