import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CachedReads } from "./cached-reads.ts";
import { SystemError } from "./system-error.ts";

const onLinux = { skip: process.platform !== "linux" };
const folder = mkdtempSync(join(tmpdir(), "usbferry-cached-"));
after(() => rmSync(folder, { recursive: true }));

/** A file that was just written, which is in memory as far as its file system tells. */
function file(bytes: Uint8Array): number {
  const path = join(folder, "file");
  writeFileSync(path, bytes);
  return openSync(path, "r");
}

function opened(): CachedReads {
  const reads = CachedReads.open();
  assert(reads instanceof CachedReads);
  return reads;
}

test("bytes come from their place, into theirs", onLinux, (t) => {
  const fd = file(Uint8Array.from({ length: 10_000 }, (_, i) => i % 251));
  const room = new Uint8Array(600).fill(0xee);
  const outcome = opened().read(fd, room.subarray(50, 550), 5000);
  closeSync(fd);
  if (outcome instanceof SystemError) {
    assert.equal(outcome.code, "ENOTSUP");
    t.skip("this file system does not tell what is in memory");
    return;
  }
  assert.equal(outcome, true);
  assert.deepEqual([room[49], room[50], room[549], room[550]], [0xee, 5000 % 251, 5499 % 251, 0xee]);
});

test("what reaches beyond the file is not there", onLinux, () => {
  const fd = file(new Uint8Array(1000));
  const outcome = opened().read(fd, new Uint8Array(512), 600);
  closeSync(fd);
  if (outcome instanceof SystemError) assert.equal(outcome.code, "ENOTSUP");
  else assert.equal(outcome, false);
});

test("a descriptor that is closed is refused", onLinux, () => {
  const outcome = opened().read(-1, new Uint8Array(512), 0);
  assert(outcome instanceof SystemError);
  assert.equal(outcome.code, "EBADF");
});
