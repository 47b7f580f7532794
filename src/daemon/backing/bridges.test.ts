import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { ByteStream } from "../../gadgets/byte-stream.ts";
import { SystemError } from "../../linux/system-error.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { PtyStream } from "./pty-stream.ts";
import { TcpStream } from "./tcp-stream.ts";

const MIB = 1024 * 1024;
const CONTENT = Buffer.from(Uint8Array.from({ length: MIB }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
const silent = { info: () => {}, warn: () => {} };

/** Reads with pauses, as a guest does that is slow. */
function received(stream: ByteStream): { readonly bytes: () => Buffer; readonly ended: Promise<void> } {
  const pieces: Buffer[] = [];
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  stream.open({
    receive(bytes) {
      pieces.push(Buffer.from(bytes));
      if (pieces.length % 10 !== 0) return true;
      setTimeout(() => stream.resume(), 1);
      return false;
    },
    ended: end,
  });
  return { bytes: () => Buffer.concat(pieces), ended };
}

async function send(stream: ByteStream): Promise<void> {
  for (let at = 0; at < MIB; at += 60_000) {
    await new Promise<void>((taken) => stream.write(CONTENT.subarray(at, at + 60_000), taken));
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < deadline, "nothing within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("a pseudo terminal passes every byte both ways", { skip: process.platform !== "linux" }, async () => {
  const stream = PtyStream.open(new LibuvLoop());
  assert(!(stream instanceof SystemError));
  const there: Buffer[] = [];
  const reader = createReadStream(stream.path).on("data", (bytes) => there.push(bytes as Buffer));
  const writer = createWriteStream(stream.path);
  const here = received(stream);
  writer.write(CONTENT);
  await send(stream);
  await until(() => here.bytes().length >= MIB && Buffer.concat(there).length >= MIB);
  assert(here.bytes().equals(CONTENT));
  assert(Buffer.concat(there).equals(CONTENT));
  stream.close();
  stream.destroy();
  // The terminal is gone: both ends of the other side see that.
  reader.on("error", () => {}).destroy();
  writer.on("error", () => {}).destroy();
});

test("a connection is made each time the stream is opened, and passes every byte both ways", async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stream = new TcpStream((server.address() as AddressInfo).port, silent);
  for (let i = 0; i < 2; i++) {
    const here = received(stream);
    await until(() => accepted.length === i + 1);
    const there: Buffer[] = [];
    accepted[i]!.on("data", (bytes) => there.push(bytes));
    const ended = once(accepted[i]!, "end");
    accepted[i]!.write(CONTENT);
    await send(stream);
    await until(() => here.bytes().length >= MIB);
    stream.close();
    await ended;
    assert(here.bytes().equals(CONTENT));
    assert(Buffer.concat(there).equals(CONTENT));
  }
  stream.destroy();
  for (const socket of accepted) socket.destroy();
  server.close();
});

test("a port that nobody listens on ends the stream, is told once, and writes are taken", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const lines: string[] = [];
  const stream = new TcpStream(port, { info: () => {}, warn: (_, line) => lines.push(line) });
  const { ended } = received(stream);
  await send(stream);
  await ended;
  await send(stream);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /127\.0\.0\.1:\d+ .*ECONNREFUSED.*start the program that listens there/);
});
