import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { silence } from "../../test/support/silence.ts";
import type { TcpAddress } from "./address.ts";
import { LINK_LIMITS, type Link } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { Listener } from "./listener.ts";
import { dialTcp, listenTcp } from "./tcp.ts";

const loopback: TcpAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };
const onLinux = { skip: process.platform === "linux" ? false : "needs Linux", timeout: 20_000 };

/** What is open, so that a test that fails does not keep the process alive. */
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

async function listening(address: TcpAddress, accept: (link: Link) => void = () => {}): Promise<Listener> {
  const listener = await listenTcp(address, accept, LINK_LIMITS);
  closers.push(() => listener.close());
  return listener;
}

async function rejection(promise: Promise<Link | Listener>): Promise<LinkError> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof LinkError, String(error));
  return error;
}

/** A link whose peer can be silenced. */
async function dialled(silenceMs: number): Promise<{ link: Link; peer: Socket }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const [link, [peer]] = await Promise.all([
    dialTcp({ ...loopback, port }, { ...LINK_LIMITS, silenceMs }),
    once(server, "connection") as Promise<[Socket]>,
  ]);
  peer.on("error", () => {});
  closers.push(() => {
    link.destroy();
    peer.destroy();
    server.close();
  });
  return { link, peer };
}

async function endOf(link: Link): Promise<{ cause: LinkError | undefined; afterMs: number }> {
  const from = performance.now();
  const cause = await new Promise<LinkError | undefined>((resolve) => link.start(() => {}, resolve));
  return { cause, afterMs: performance.now() - from };
}

test("an idle peer that falls silent ends the link within the limit", onLinux, async () => {
  const { link, peer } = await dialled(3_000);
  silence(peer);
  const { cause, afterMs } = await endOf(link);
  assert.equal(cause?.code, "ETIMEDOUT");
  assert.match(
    cause.message,
    /^lost tcp:127\.0\.0\.1:\d+: the peer does not answer any more \(ETIMEDOUT\)\. Its/,
  );
  assert(afterMs <= 3_000, `${afterMs} ms`);
});

test("a peer that falls silent under unacknowledged data ends the link as soon", onLinux, async () => {
  const { link, peer } = await dialled(3_000);
  silence(peer);
  let written = 0;
  const end = endOf(link);
  for (let i = 0; i < 64; i++) link.write([new Uint8Array(1024 * 1024)], () => void written++);
  const { cause, afterMs } = await end;
  assert.equal(cause?.code, "ETIMEDOUT");
  assert(afterMs <= 3_500, `${afterMs} ms`);
  assert.equal(written, 64);
});

test("a quiet but living peer is kept beyond the limit", onLinux, async () => {
  const { link } = await dialled(2_000);
  let ended = false;
  link.start(
    () => {},
    () => {
      ended = true;
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  assert.equal(ended, false);
});

test("listening on a port in use says who to look for", async () => {
  const listener = await listening(loopback);
  const error = await rejection(listening(listener.address as TcpAddress));
  assert.equal(error.code, "EADDRINUSE");
  assert.match(
    error.message,
    /^cannot listen on tcp:127\.0\.0\.1:\d+: another program listens there \(EADDRINUSE\)\. Stop it/,
  );
  listener.close();
  const again = await listening(listener.address as TcpAddress);
  again.close();
});

test("listening on an address of another machine is refused with the next step", async () => {
  const error = await rejection(listening({ ...loopback, host: "192.0.2.7" }));
  assert.equal(error.code, "EADDRNOTAVAIL");
  assert.match(error.message, /this machine does not have that address/);
});

test("dialling where nobody listens says what to start", async () => {
  const listener = await listening(loopback);
  listener.close();
  const error = await rejection(dialTcp(listener.address as TcpAddress, LINK_LIMITS));
  assert.equal(error.code, "ECONNREFUSED");
  assert.match(error.message, /^cannot reach tcp:127\.0\.0\.1:\d+: nothing listens there.*usbferry serve/);
});

test("a host name without an address is told apart from a dead host", async () => {
  const error = await rejection(dialTcp({ kind: "tcp", host: "no-such-host.invalid", port: 1 }, LINK_LIMITS));
  assert(["ENOTFOUND", "EAI_AGAIN"].includes(error.code), error.code);
  assert.match(error.message, /^cannot reach tcp:no-such-host\.invalid:1: no address is known/);
});

test("dialling a host that does not answer ends in time", onLinux, async () => {
  // A deaf listener drops the first packet, as a firewall does.
  const server = createServer().listen({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  closers.push(() => server.close());
  silence(server as unknown as Socket);
  const { port } = server.address() as AddressInfo;
  const from = performance.now();
  const error = await rejection(dialTcp({ ...loopback, port }, { ...LINK_LIMITS, dialMs: 300 }));
  assert.equal(error.code, "ETIMEDOUT");
  assert.match(error.message, /there was no answer in time/);
  assert(performance.now() - from < 1_000);
});

test("the peer of an accepted link is its address and port", async () => {
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const listener = await listening(loopback, arrived);
  const link = await dialTcp(listener.address as TcpAddress, LINK_LIMITS);
  const accepted = await arriving;
  assert.match(accepted.peer, /^tcp:127\.0\.0\.1:\d+$/);
  assert.equal(link.peer, `tcp:127.0.0.1:${(listener.address as TcpAddress).port}`);
  link.destroy();
  accepted.destroy();
});
