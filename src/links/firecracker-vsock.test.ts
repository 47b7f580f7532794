import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { FirecrackerVsockAddress } from "./address.ts";
import { dialFirecrackerVsock, listenFirecrackerVsock } from "./firecracker-vsock.ts";
import { LINK_LIMITS, type Link } from "./link.ts";
import { LinkError } from "./link-error.ts";
import { dialUnix } from "./unix.ts";

const folder = mkdtempSync(join(tmpdir(), "usbferry-"));
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
  rmSync(folder, { recursive: true });
});
let count = 0;

function fresh(): FirecrackerVsockAddress {
  count++;
  return { kind: "fc-vsock", path: join(folder, `vm${count}.vsock`), port: 5000 };
}

/** A monitor that does this with each connection. */
async function monitor(serve: (socket: Socket) => void): Promise<FirecrackerVsockAddress> {
  const address = fresh();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    serve(socket);
  }).listen(address.path);
  await once(server, "listening");
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return address;
}

function dial(address: FirecrackerVsockAddress, dialMs = 5_000): Promise<Link> {
  return dialFirecrackerVsock(address, { ...LINK_LIMITS, dialMs });
}

async function rejection(promise: Promise<unknown>): Promise<LinkError> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof LinkError, String(error));
  return error;
}

test("the monitor is asked for the port, and bytes behind its answer are the guest's", async () => {
  const asked: string[] = [];
  const address = await monitor((socket) => {
    socket.once("data", (line) => {
      asked.push(line.toString());
      socket.end("OK 1073741825\nfirst bytes of the guest");
    });
  });
  const link = await dial(address);
  assert.deepEqual(asked, ["CONNECT 5000\n"]);
  assert.equal(link.peer, `fc-vsock:${address.path}:5000`);
  let received = "";
  await new Promise<void>((resolve) => {
    link.start(
      (bytes) => {
        received += Buffer.from(bytes).toString();
      },
      () => resolve(),
    );
  });
  assert.equal(received, "first bytes of the guest");
});

test("an answer in single bytes is an answer", async () => {
  const address = await monitor((socket) => {
    socket.setNoDelay(true);
    const pieces = ["O", "K", " ", "7", "\n"];
    for (const [i, piece] of pieces.entries()) setTimeout(() => socket.write(piece), 5 * i);
  });
  (await dial(address)).destroy();
});

test("a port at which the guest does not listen is told apart, with what to start there", async () => {
  const address = await monitor((socket) => socket.once("data", () => socket.end()));
  const error = await rejection(dial(address));
  assert.equal(error.code, "ECONNREFUSED");
  assert.match(
    error.message,
    /^cannot reach fc-vsock:.*: nothing listens at port 5000 of the guest .*attach --listen vsock:5000\.$/,
  );
});

for (const [answer, shown] of [
  ["HTTP/1.1 400 Bad Request\r\n\r\n", '"HTTP/1.1 400 Bad Request'],
  ["NO 5\n", '"NO 5"'],
  ["OK five\n", '"OK five"'],
  ["OK 99999999999\n", '"OK 99999999999"'],
  [`OK ${"1".repeat(1 << 20)}\n`, '"OK 111'],
  ["\n", '""'],
] as const) {
  test(`an answer that begins with ${JSON.stringify(answer.slice(0, 16))} is no monitor's`, async () => {
    const address = await monitor((socket) => socket.write(answer));
    const error = await rejection(dial(address));
    assert.equal(error.code, "BAD_ANSWER");
    assert(error.message.includes(`was answered with ${shown}`), error.message);
    assert(error.message.length < 400);
  });
}

test("a monitor that closes in the middle of its answer is no monitor", async () => {
  const address = await monitor((socket) => socket.end("OK"));
  assert.equal((await rejection(dial(address))).code, "BAD_ANSWER");
});

test("a monitor that does not answer is given up in time", async () => {
  let closed!: () => void;
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const address = await monitor((socket) => socket.resume().on("close", closed));
  const error = await rejection(dial(address, 200));
  assert.equal(error.code, "ETIMEDOUT");
  assert.match(error.message, /its monitor did not answer CONNECT within \d+ ms/);
  await isClosed;
});

test("a path without a socket says that there is none", async () => {
  assert.equal((await rejection(dial(fresh()))).code, "ENOENT");
});

test("a listener stands beside the monitor's socket, and goes away", async () => {
  const address = fresh();
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const listener = await listenFirecrackerVsock(address, arrived, LINK_LIMITS);
  assert.deepEqual(listener.address, address);
  const guest = await dialUnix({ kind: "unix", path: `${address.path}_5000` }, LINK_LIMITS);
  const link = await arriving;
  assert.equal(link.peer, `fc-vsock:${address.path}:5000`);
  guest.destroy();
  link.destroy();
  listener.close();
  assert(!existsSync(`${address.path}_5000`));
});

test("a path too long for a socket is refused on both sides", async () => {
  const address: FirecrackerVsockAddress = { ...fresh(), path: join(folder, "x".repeat(108)) };
  assert.equal((await rejection(dial(address))).code, "ENAMETOOLONG");
  const listening = listenFirecrackerVsock(address, () => {}, LINK_LIMITS);
  assert.equal((await rejection(listening)).code, "ENAMETOOLONG");
});
