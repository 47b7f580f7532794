import assert from "node:assert/strict";
import { test } from "node:test";
import { characterDevice, file, packInitramfs, symlink } from "./initramfs.ts";

test("writes header, name and data each padded to four bytes", () => {
  const archive = packInitramfs([file("m/a", Buffer.from("hello")), symlink("bin/sh", "busybox")]).toString(
    "latin1",
  );
  const first =
    "070701" +
    "00000001" + // c_ino
    "000081a4" + // c_mode: regular file, 0644
    "00000000" + // c_uid
    "00000000" + // c_gid
    "00000001" + // c_nlink
    "00000000" + // c_mtime
    "00000005" + // c_filesize
    "00000000" + // c_maj
    "00000000" + // c_min
    "00000000" + // c_rmaj
    "00000000" + // c_rmin
    "00000004" + // c_namesize, with the final zero
    "00000000" + // c_chksum
    "m/a\0" +
    "\0\0" + // 110 + 4 is two short of a multiple of four
    "hello\0\0\0";
  assert.equal(archive.slice(0, first.length), first);
  const second = archive.slice(first.length);
  assert.equal(second.slice(0, 22), "070701000000020000a1ff");
  assert.equal(second.slice(110, 116), "bin/sh");
  assert.ok(second.includes("busybox\x00070701"));
  assert.ok(archive.endsWith("TRAILER!!!\0\0\0\0"));
});

test("a device node carries its numbers and no data", () => {
  const archive = packInitramfs([characterDevice("dev/console", 5, 1)]).toString("latin1");
  assert.equal(archive.slice(14, 22), "00002180"); // c_mode: character device, 0600
  assert.equal(archive.slice(54, 62), "00000000"); // c_filesize
  assert.equal(archive.slice(78, 94), "0000000500000001"); // c_rmaj, c_rmin
});
