import assert from "node:assert/strict";
import { closeSync, linkSync, mkdtempSync, rmSync, writeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { SystemError } from "./system-error.ts";
import { connectUnix } from "./unix-socket.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-unix-"));
after(() => rmSync(folder, { recursive: true }));

function code(answer: number | SystemError): string {
  assert(answer instanceof SystemError);
  assert.equal(answer.call, "connect");
  return answer.code;
}

async function listening(path: string): Promise<{ server: Server; accepted: Promise<Socket> }> {
  const server = createServer();
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { server, accepted };
}

test("connects to a path as long as a path can be, and bytes arrive", onLinux, async () => {
  const path = join(folder, "x".repeat(107 - Buffer.byteLength(folder) - 1));
  const { server, accepted } = await listening(path);
  const fd = connectUnix(path);
  assert(typeof fd === "number", String(fd));
  writeSync(fd, "ferried");
  const socket = await accepted;
  const [bytes] = await new Promise<Buffer[]>((resolve) => socket.once("data", (data) => resolve([data])));
  assert.equal(String(bytes), "ferried");
  socket.destroy();
  server.close();
  closeSync(fd);
});

test(
  "a path where nobody listens, that is not there, or too long is an error with its name",
  onLinux,
  async () => {
    const path = join(folder, "left");
    const { server } = await listening(path);
    // Leaves its file behind, as a process that is killed does.
    linkSync(path, `${path}.kept`);
    server.close();
    assert.equal(code(connectUnix(`${path}.kept`)), "ECONNREFUSED");
    assert.equal(code(connectUnix(join(folder, "missing"))), "ENOENT");
    assert.equal(code(connectUnix("x".repeat(108))), "ENAMETOOLONG");
  },
);
