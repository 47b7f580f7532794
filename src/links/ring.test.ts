import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onLinux } from "../../test/support/poll-loop.ts";
import { Arena } from "../linux/arena.ts";
import { sendDescriptors } from "../linux/descriptor-passing.ts";
import { libc } from "../linux/libc.ts";
import { createMemoryFile } from "../linux/memory-file.ts";
import type { RingAddress } from "./address.ts";
import { encodeHandover, readRequest } from "./handover.ts";
import { LINK_LIMITS, type Link } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Listener } from "./listener.ts";
import { memoryPair } from "./memory.ts";
import { dialRing, handOver, RingRefusal } from "./ring.ts";
import { RingLink } from "./ring-link.ts";
import { listenRing } from "./ring-listener.ts";
import { descriptorOf } from "./stream-handle.ts";

const BYTES = 1 << 20;
const directory = mkdtempSync(join(tmpdir(), "usbferry-ring-"));
const listeners: Listener[] = [];
after(() => {
  for (const listener of listeners) listener.close();
  rmSync(directory, { recursive: true });
});
let count = 0;

function fresh(): RingAddress {
  count++;
  return { kind: "ring", path: join(directory, `${count}.ring`) };
}

/** What a host has of one guest. */
interface Given {
  readonly busid: string;
  readonly link: Link;
  readonly memory: Arena;
  readonly gone: Promise<unknown>;
  heard: () => void;
}

/** A host that gives memory to everybody. */
async function offering(written = (_memory: Arena): void => {}): Promise<{
  readonly address: RingAddress;
  readonly given: Given[];
}> {
  const address = fresh();
  const given: Given[] = [];
  const accept = (link: Link): void => {
    let one: Given | undefined;
    let ended!: (cause: unknown) => void;
    const gone = new Promise((resolve) => {
      ended = resolve;
    });
    link.start((bytes) => {
      if (one !== undefined) {
        one.heard();
        return;
      }
      const busid = readRequest(bytes.slice());
      const memory = handOver(link, BYTES, written);
      assert(typeof busid === "string" && memory instanceof Arena);
      one = { busid, link, memory, gone, heard: () => {} };
      given.push(one);
    }, ended);
  };
  listeners.push(await listenRing(address, accept, LINK_LIMITS));
  return { address, given };
}

async function dialled(address: RingAddress, busid = "1-2"): Promise<RingLink> {
  const ring = await dialRing(address, busid, LINK_LIMITS);
  assert(ring instanceof RingLink);
  return ring;
}

function giveBack(...all: readonly (RingLink | Given)[]): void {
  for (const one of all) {
    if (one instanceof RingLink) one.destroy();
    else {
      one.link.destroy();
      one.memory.free();
    }
  }
}

async function rejection(promise: Promise<unknown>): Promise<LinkError> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof LinkError, String(error));
  return error;
}

/** A host that says what it likes. */
async function lying(speak: (socket: Socket, descriptor: number) => void): Promise<RingAddress> {
  const address = fresh();
  const server = createServer((socket) => speak(socket, descriptorOf(socket)!));
  await new Promise<void>((resolve) => server.listen(address.path, resolve));
  listeners.push({ address, close: () => server.close() });
  return address;
}

function memoryFile(bytes = BYTES): number {
  const fd = createMemoryFile("usbferry test", bytes);
  assert(typeof fd === "number");
  return fd;
}

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

test("a guest finds what the host has written, and both see what the other one writes", onLinux, async () => {
  const { address, given } = await offering((memory) => {
    memory.bytes[BYTES - 1] = 42;
  });
  assert.equal(statSync(address.path).mode & 0o777, 0o660);
  const guest = await dialled(address, "3-1.4");
  const host = given[0]!;
  assert.equal(host.busid, "3-1.4");
  assert.equal(guest.memory.bytes.length, BYTES);
  assert.equal(guest.memory.bytes[BYTES - 1], 42);
  guest.memory.bytes[7] = 1;
  host.memory.bytes[8] = 2;
  assert.deepEqual([host.memory.bytes[7], guest.memory.bytes[8]], [1, 2]);
  giveBack(guest, host);
});

test("each guest of a host has its own memory", onLinux, async () => {
  const { address, given } = await offering();
  const [one, other] = await Promise.all([dialled(address), dialled(address)]);
  one.memory.bytes[0] = 9;
  assert.equal(given.filter(({ memory }) => memory.bytes[0] === 9).length, 1);
  assert.equal(other.memory.bytes[0], 0);
  giveBack(one, other, ...given);
});

test("a wake-up is heard on either side, also after many that nobody heard", onLinux, async () => {
  const { address, given } = await offering();
  const guest = await dialled(address);
  const host = given[0]!;
  for (let i = 0; i < 100_000; i++) guest.wake();
  const heard = new Promise<void>((resolve) => {
    host.heard = resolve;
  });
  const woken = new Promise<void>((resolve) => guest.start(resolve, () => {}));
  await heard;
  host.link.write([Uint8Array.of(1)], () => {});
  await woken;
  giveBack(guest, host);
});

test(
  "a guest that is killed is gone at once, and its memory stays until the host frees it",
  onLinux,
  async () => {
    const { address, given } = await offering();
    const module = JSON.stringify(new URL("./ring.js", import.meta.url).href);
    const script = `
    import { dialRing } from ${module};
    const ring = await dialRing(${JSON.stringify(address)}, "1-2", { silenceMs: 10_000, dialMs: 10_000 });
    ring.start(() => {}, () => {});
    ring.memory.bytes[3] = 3;
    console.log("mapped");
  `;
    const argv = ["--input-type=module", "--eval", script];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const host = given[0]!;
    child.kill("SIGKILL");
    await host.gone;
    assert.equal(host.memory.bytes[3], 3);
    giveBack(host);
    const next = await dialled(address);
    assert.equal(next.memory.bytes[3], 0);
    giveBack(next, given[1]!);
  },
);

test("a host that goes away is an end, and nothing is told after destroy", onLinux, async () => {
  const { address, given } = await offering();
  const guest = await dialled(address);
  const ended = new Promise((resolve) => guest.start(() => {}, resolve));
  giveBack(given[0]!);
  assert.equal(await ended, undefined);
  giveBack(guest);
  await given[0]!.gone;
  const before = openDescriptors();
  for (let i = 0; i < 20; i++) {
    const another = await dialled(address);
    another.start(
      () => assert.fail("heard"),
      () => assert.fail("ended"),
    );
    giveBack(another, another, given.at(-1)!);
    another.wake();
    await given.at(-1)!.gone;
  }
  for (let i = 0; i < 100 && openDescriptors() > before; i++) await sleep(5);
  assert(openDescriptors() <= before);
});

test("a host refuses with a status", onLinux, async () => {
  const address = await lying((socket) => socket.write(encodeHandover(0, 4)));
  const refused = await dialRing(address, "1-2", LINK_LIMITS);
  assert(refused instanceof RingRefusal);
  assert.equal(refused.status, 4);
});

test("over a link that is no unix socket no memory is handed over", onLinux, () => {
  const [link] = memoryPair({ soon: setImmediate });
  const refused = handOver(link, BYTES, () => assert.fail("prepared"));
  assert(refused instanceof LinkError);
  assert.equal(refused.code, "NO_DESCRIPTORS");
});

test("a host that lies about its memory is refused, and nothing of it stays open", onLinux, async () => {
  const c = libc();
  assert(!(c instanceof Error));
  const cut = c.memfd_create(Buffer.from("cut\0"), 2);
  ftruncateSync(cut, BYTES);
  const file = openSync(join(directory, "file"), "w+");
  ftruncateSync(file, BYTES);
  const good = memoryFile();
  const version = encodeHandover(BYTES);
  version[4] = 9;
  const lies: readonly (readonly [RegExp, (socket: Socket, fd: number) => void])[] = [
    [/can be cut/, (_, fd) => sendDescriptors(fd, encodeHandover(BYTES), [cut])],
    [/cannot be trusted/, (_, fd) => sendDescriptors(fd, encodeHandover(BYTES), [file])],
    [
      /tells of 2097152 .* hands over 1048576/,
      (_, fd) => sendDescriptors(fd, encodeHandover(2 * BYTES), [good]),
    ],
    [/tells of 0 bytes/, (_, fd) => sendDescriptors(fd, encodeHandover(0), [good])],
    [/tells of 4294967295 bytes/, (_, fd) => sendDescriptors(fd, encodeHandover(0xffffffff), [good])],
    [/version 9/, (_, fd) => sendDescriptors(fd, version, [good])],
    [/no shared memory/, (_, fd) => sendDescriptors(fd, Buffer.from("HTTP/1.1 400"), [good])],
    [/no descriptor/, (socket) => socket.write(encodeHandover(BYTES))],
    [/EMSGSIZE/, (_, fd) => sendDescriptors(fd, encodeHandover(BYTES), [good, good])],
    [
      /more than one/,
      (_, fd) => {
        sendDescriptors(fd, encodeHandover(BYTES).subarray(0, 5), [good]);
        sendDescriptors(fd, encodeHandover(BYTES).subarray(5), [good]);
      },
    ],
    [
      /before the hand-over was whole/,
      (socket, fd) => {
        sendDescriptors(fd, encodeHandover(BYTES).subarray(0, 5), [good]);
        socket.end();
      },
    ],
    [/before the hand-over/, (socket) => socket.end()],
    [/ECONNRESET|before the hand-over/, (socket) => socket.destroy()],
  ];
  for (const [why, speak] of lies) {
    const address = await lying(speak);
    const before = openDescriptors();
    const error = await rejection(dialled(address));
    assert.match(error.message, why);
    for (let i = 0; i < 100 && openDescriptors() > before + 1; i++) await sleep(2);
    // The host's end of the connection may still be open.
    assert(openDescriptors() <= before + 1, error.message);
  }
  for (const fd of [cut, file, good]) closeSync(fd);
});

test("a hand-over in single bytes is taken, and a wake-up right behind it is heard", onLinux, async () => {
  const memory = memoryFile();
  const address = await lying((socket, fd) => {
    const bytes = encodeHandover(BYTES);
    sendDescriptors(fd, bytes.subarray(0, 1), [memory]);
    for (let i = 1; i < bytes.length; i++) socket.write(bytes.subarray(i, i + 1));
    socket.write(Uint8Array.of(1));
  });
  const guest = await dialled(address);
  await new Promise<void>((resolve) => guest.start(resolve, () => {}));
  guest.destroy();
  closeSync(memory);
});

test("a host that says nothing is given up", onLinux, async () => {
  const address = await lying(() => {});
  const error = await rejection(dialRing(address, "1-2", { ...LINK_LIMITS, dialMs: 50 }));
  assert.equal(error.code, "ETIMEDOUT");
});

test("where nobody listens the failure says so, and a listener leaves no file", onLinux, async () => {
  const address = fresh();
  assert.match((await rejection(dialled(address))).message, /there is no such socket \(ENOENT\)/);
  const listener = await listenRing(address, (link) => link.destroy(), LINK_LIMITS);
  assert.equal((await rejection(listenRing(address, () => {}, LINK_LIMITS))).code, "EADDRINUSE");
  listener.close();
  assert(!existsSync(address.path));
});
