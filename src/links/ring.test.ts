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
import { sendDescriptors } from "../linux/descriptor-passing.ts";
import { libc } from "../linux/libc.ts";
import { createMemoryFile } from "../linux/memory-file.ts";
import type { RingAddress } from "./address.ts";
import { encodeHandover } from "./handover.ts";
import { LINK_LIMITS } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Listener } from "./listener.ts";
import { dialRing, listenRing, type RingOffer } from "./ring.ts";
import type { RingLink } from "./ring-link.ts";
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

interface Offered {
  readonly address: RingAddress;
  readonly rings: RingLink[];
  readonly turnedAway: string[];
}

async function offering(guests = 4, written = (_ring: RingLink): void => {}): Promise<Offered> {
  const address = fresh();
  const rings: RingLink[] = [];
  const turnedAway: string[] = [];
  const offer: RingOffer = {
    bytes: BYTES,
    guests,
    accept: (ring) => {
      rings.push(ring);
      written(ring);
    },
    turnedAway: (why) => turnedAway.push(why),
  };
  listeners.push(await listenRing(address, offer, LINK_LIMITS));
  return { address, rings, turnedAway };
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

test(
  "a guest finds what the host has written before, and both see what the other one writes",
  onLinux,
  async () => {
    const { address, rings } = await offering(4, (ring) => {
      ring.memory.bytes[BYTES - 1] = 42;
    });
    assert.equal(statSync(address.path).mode & 0o777, 0o660);
    const guest = await dialRing(address, LINK_LIMITS);
    const host = rings[0]!;
    assert.equal(guest.memory.bytes.length, BYTES);
    assert.equal(guest.memory.bytes[BYTES - 1], 42);
    guest.memory.bytes[7] = 1;
    host.memory.bytes[8] = 2;
    assert.deepEqual([host.memory.bytes[7], guest.memory.bytes[8]], [1, 2]);
    guest.destroy();
    host.destroy();
  },
);

test("each guest of a host has its own memory", onLinux, async () => {
  const { address, rings } = await offering();
  const guests = await Promise.all([dialRing(address, LINK_LIMITS), dialRing(address, LINK_LIMITS)]);
  guests[0].memory.bytes[0] = 9;
  assert.equal(rings.filter(({ memory }) => memory.bytes[0] === 9).length, 1);
  assert.equal(guests[1].memory.bytes[0], 0);
  for (const ring of [...guests, ...rings]) ring.destroy();
});

test("a wake-up is heard on either side, also after many that nobody heard", onLinux, async () => {
  const { address, rings } = await offering();
  const guest = await dialRing(address, LINK_LIMITS);
  const host = rings[0]!;
  for (let i = 0; i < 100_000; i++) host.wake();
  const heard = new Promise<void>((resolve) => guest.start(resolve, () => {}));
  await heard;
  const answered = new Promise<void>((resolve) => host.start(resolve, () => {}));
  guest.wake();
  await answered;
  guest.destroy();
  host.destroy();
});

test("a guest that is killed is gone at once, and its place is free", onLinux, async () => {
  const { address, rings, turnedAway } = await offering(1);
  const module = JSON.stringify(new URL("./ring.js", import.meta.url).href);
  const script = `
    import { dialRing } from ${module};
    const ring = await dialRing(${JSON.stringify(address)}, { silenceMs: 10_000, dialMs: 10_000 });
    ring.start(() => {}, () => {});
    ring.memory.bytes[3] = 3;
    console.log("mapped");
  `;
  const argv = ["--input-type=module", "--eval", script];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const host = rings[0]!;
  const ended = new Promise<LinkError | undefined>((resolve) => host.start(() => {}, resolve));
  assert.equal((await rejection(dialRing(address, LINK_LIMITS))).code, "ECONNREFUSED");
  assert.match(turnedAway[0]!, /1 guests/);
  child.kill("SIGKILL");
  await ended;
  assert.equal(host.memory.bytes[3], 3, "the memory stays until the host gives it back");
  assert.equal((await rejection(dialRing(address, LINK_LIMITS))).code, "ECONNREFUSED");
  host.destroy();
  const next = await dialRing(address, LINK_LIMITS);
  assert.equal(next.memory.bytes[3], 0);
  next.destroy();
  rings[1]!.destroy();
});

test("a host that goes away is an end, and one that destroys its ring is, too", onLinux, async () => {
  const { address, rings } = await offering();
  const guest = await dialRing(address, LINK_LIMITS);
  const ended = new Promise<LinkError | undefined>((resolve) => guest.start(() => {}, resolve));
  rings[0]!.destroy();
  assert.equal(await ended, undefined);
  guest.destroy();
});

test("nothing is told after destroy, and nothing stays open", onLinux, async () => {
  const { address, rings } = await offering();
  const before = openDescriptors();
  for (let i = 0; i < 20; i++) {
    const guest = await dialRing(address, LINK_LIMITS);
    guest.start(
      () => assert.fail("heard"),
      () => assert.fail("ended"),
    );
    const host = rings.pop()!;
    host.start(
      () => {},
      () => assert.fail("ended"),
    );
    guest.destroy();
    guest.destroy();
    host.destroy();
    guest.wake();
  }
  for (let i = 0; i < 100 && openDescriptors() > before; i++) await sleep(5);
  assert.equal(openDescriptors(), before);
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
      /in the middle/,
      (socket, fd) => {
        sendDescriptors(fd, encodeHandover(BYTES).subarray(0, 5), [good]);
        socket.end();
      },
    ],
    [/sent this guest away/, (socket) => socket.end()],
    [/ECONNRESET|sent this guest away/, (socket) => socket.destroy()],
  ];
  for (const [why, speak] of lies) {
    const address = await lying(speak);
    const before = openDescriptors();
    const error = await rejection(dialRing(address, LINK_LIMITS));
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
  const guest = await dialRing(address, LINK_LIMITS);
  await new Promise<void>((resolve) => guest.start(resolve, () => {}));
  guest.destroy();
  closeSync(memory);
});

test("a host that says nothing is given up", onLinux, async () => {
  const address = await lying(() => {});
  const error = await rejection(dialRing(address, { ...LINK_LIMITS, dialMs: 50 }));
  assert.equal(error.code, "ETIMEDOUT");
});

test("where nobody listens the failure says so, and a listener leaves no file", onLinux, async () => {
  const address = fresh();
  assert.match(
    (await rejection(dialRing(address, LINK_LIMITS))).message,
    /there is no such socket \(ENOENT\)/,
  );
  const listener = await listenRing(
    address,
    { bytes: BYTES, guests: 1, accept: (ring) => ring.destroy(), turnedAway: () => {} },
    LINK_LIMITS,
  );
  const twice = listenRing(
    address,
    { bytes: BYTES, guests: 1, accept: () => {}, turnedAway: () => {} },
    LINK_LIMITS,
  );
  assert.equal((await rejection(twice)).code, "EADDRINUSE");
  listener.close();
  assert(!existsSync(address.path));
});
