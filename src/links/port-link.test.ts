import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onLinux } from "../../test/support/poll-loop.ts";
import { openPty } from "../linux/pty.ts";
import { SystemError } from "../linux/system-error.ts";
import { LinkError } from "./link-error.ts";
import { findPort, openPort } from "./port-link.ts";

test("bytes pass through a character device both ways, and its hang-up is the end", onLinux, async () => {
  const pty = openPty();
  assert(!(pty instanceof SystemError));
  const link = openPort(pty.path);
  assert(!(link instanceof LinkError));
  let ended!: () => void;
  const over = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const received = new Promise<string>((resolve) =>
    link.start(
      (bytes) => resolve(String.fromCharCode(...bytes)),
      () => ended(),
    ),
  );
  writeSync(pty.fd, "ring");
  assert.equal(await received, "ring");
  await new Promise<void>((resolve) => link.write([Uint8Array.of(7)], resolve));
  const bytes = Buffer.alloc(8);
  let length = 0;
  for (let i = 0; i < 500 && length === 0; i++) {
    try {
      length = readSync(pty.fd, bytes);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
      await sleep(2);
    }
  }
  assert.deepEqual([length, bytes[0]], [1, 7]);
  closeSync(pty.programFd);
  closeSync(pty.fd);
  await over;
});

test("a port that there is not is an error with its name", () => {
  const refused = openPort("/dev/no-such-port");
  assert(refused instanceof LinkError);
  assert.match(refused.message, /^cannot reach port:\/dev\/no-such-port: .* \(ENOENT\)/);
});

test("a port is found by its name, and where there is none those that there are are told", (context) => {
  const sysfs = mkdtempSync(join(tmpdir(), "usbferry-ports-"));
  context.after(() => rmSync(sysfs, { recursive: true }));
  const missing = findPort("usbferry.ring", "ring:pci:0000:00:05.0", sysfs);
  assert(missing instanceof LinkError);
  assert.match(
    missing.message,
    /This machine has none with a name.*-device virtserialport,chardev=ring,name=usbferry\.ring/,
  );
  for (const [port, name] of [
    ["vport1p1", "control"],
    ["vport1p2", "usbferry.ring"],
    ["vport2p1", ""],
  ] as const) {
    mkdirSync(join(sysfs, "class/virtio-ports", port), { recursive: true });
    writeFileSync(join(sysfs, "class/virtio-ports", port, "name"), `${name}\n`);
  }
  assert.equal(findPort("usbferry.ring", "", sysfs), "/dev/vport1p2");
  const other = findPort("no.such", "ring:pci:0000:00:05.0", sysfs);
  assert(other instanceof LinkError);
  assert.equal(other.code, "NO_PORT");
  assert.match(
    other.message,
    /no virtio-serial port is called "no\.such".*There is "control", "usbferry\.ring"\./,
  );
});
