import assert from "node:assert/strict";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { Arena } from "./arena.ts";
import { libc } from "./libc.ts";
import { createMemoryFile, sealedLength } from "./memory-file.ts";
import { SystemError } from "./system-error.ts";

const PAGE = 4096;
const F_ADD_SEALS = 1033;
const F_SEAL_SHRINK = 2;
const MFD_ALLOW_SEALING = 2;

const folder = mkdtempSync(join(tmpdir(), "usbferry-memory-"));
after(() => rmSync(folder, { recursive: true }));

function made(length: number): number {
  const fd = createMemoryFile("usbferry test", length);
  assert(typeof fd === "number", String(fd));
  return fd;
}

function refusal(length: number | SystemError): string {
  assert(length instanceof SystemError);
  return length.code;
}

test("two mappings of a memory file are the same zeroed memory", onLinux, () => {
  const fd = made(3 * PAGE);
  assert.match(readlinkSync(`/proc/self/fd/${fd}`), /memfd:usbferry test/);
  const [one, other] = [Arena.of(fd, 3 * PAGE), Arena.of(fd, 3 * PAGE)];
  closeSync(fd);
  assert(one instanceof Arena && other instanceof Arena);
  assert(other.bytes.every((byte) => byte === 0));
  one.bytes[2 * PAGE + 5] = 77;
  assert.equal(other.bytes[2 * PAGE + 5], 77);
  one.free();
  assert.equal(other.bytes[2 * PAGE + 5], 77);
  other.free();
});

test("nobody can cut, lengthen or unseal a memory file", onLinux, () => {
  const c = libc();
  assert(!(c instanceof SystemError));
  const fd = made(2 * PAGE);
  assert.equal(sealedLength(fd), 2 * PAGE);
  assert.throws(() => ftruncateSync(fd, PAGE), { code: "EPERM" });
  assert.throws(() => ftruncateSync(fd, 3 * PAGE), { code: "EPERM" });
  assert.equal(c.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
  assert.equal(sealedLength(fd), 2 * PAGE);
  closeSync(fd);
});

test("memory that its owner can still cut is refused, whatever it says", onLinux, () => {
  const c = libc();
  assert(!(c instanceof SystemError));
  const open = c.memfd_create(Buffer.from("open\0"), MFD_ALLOW_SEALING);
  assert.equal(c.ftruncate(open, PAGE), 0);
  assert.equal(refusal(sealedLength(open)), "EPERM");
  // It cannot be cut now, but its owner may still add seals that forbid to map it.
  assert.equal(c.fcntl(open, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  assert.equal(refusal(sealedLength(open)), "EPERM");
  closeSync(open);
  const file = openSync(join(folder, "file"), "w+");
  ftruncateSync(file, PAGE);
  assert.equal(refusal(sealedLength(file)), "EINVAL");
  closeSync(file);
  assert.equal(refusal(sealedLength(9_999)), "EBADF");
});
