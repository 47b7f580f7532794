import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { after, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { machine, type TestMachine, trusting } from "../../test/support/paired.ts";
import { onLinux } from "../../test/support/poll-loop.ts";
import { silence } from "../../test/support/silence.ts";
import type { TlsAddress } from "./address.ts";
import { LINK_LIMITS, type Link, type LinkLimits } from "./link.ts";
import { LinkError } from "./link-error.ts";
import { dialTls, listenTls } from "./tls.ts";
import type { TlsTrust } from "./trust.ts";

const YEAR_MS = 365 * 24 * 3_600_000;
const past = (years: number): Date => new Date(Date.now() - years * YEAR_MS);

const [here, there, stranger, expired, early] = await Promise.all([
  machine("here"),
  machine("there"),
  machine("stranger"),
  machine("expired", past(3), past(1)),
  machine("early", past(-1), past(-2)),
]);

const loopback: TlsAddress = { kind: "tls", host: "127.0.0.1", port: 0 };
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

interface Listening {
  readonly address: TlsAddress;
  readonly links: Link[];
  readonly turnedAway: LinkError[];
  close(): void;
  until(what: string, condition: () => boolean): Promise<void>;
}

async function listening(trust: TlsTrust, limits: LinkLimits = LINK_LIMITS): Promise<Listening> {
  const links: Link[] = [];
  const turnedAway: LinkError[] = [];
  const listener = await listenTls(
    loopback,
    (link) => links.push(link),
    limits,
    trust,
    (error) => turnedAway.push(error),
  );
  closers.push(() => {
    listener.close();
    for (const link of links) link.destroy();
  });
  return {
    address: listener.address as TlsAddress,
    links,
    turnedAway,
    close: () => listener.close(),
    async until(what, condition) {
      const endMs = performance.now() + 5_000;
      while (!condition()) {
        assert(performance.now() < endMs, `5 s passed without this: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
}

async function rejection(promise: Promise<unknown>): Promise<LinkError> {
  const error = await promise.then(
    () => assert.fail("it worked"),
    (cause: unknown) => cause,
  );
  assert(error instanceof LinkError, String(error));
  return error;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** What both sides say of a connection that is refused. */
async function refusals(
  listeningTrust: TlsTrust,
  diallingTrust: TlsTrust,
  host = "127.0.0.1",
): Promise<readonly [dialled: LinkError, listened: LinkError]> {
  const place = await listening(listeningTrust);
  const dialled = await rejection(dialTls({ ...place.address, host }, LINK_LIMITS, diallingTrust));
  await place.until("the listener tells why", () => place.turnedAway.length > 0);
  assert.equal(place.links.length, 0);
  assert.equal(place.turnedAway.length, 1);
  return [dialled, place.turnedAway[0]!];
}

test("paired machines find each other, and know by which name", async () => {
  const place = await listening(trusting(here, there, stranger));
  const dialled = await dialTls(place.address, LINK_LIMITS, trusting(there, here));
  await place.until("the link arrives", () => place.links.length === 1);
  assert.deepEqual([dialled.peerName, place.links[0]!.peerName], ["here", "there"]);
  assert.match(place.links[0]!.peer, /^tls:127\.0\.0\.1:\d+$/);
  assert.equal(dialled.descriptor, undefined, "a kernel could only read what is encrypted");
  assert.deepEqual(place.turnedAway, []);
  dialled.destroy();
});

for (const [what, listened, dialled, code, there_, here_] of [
  [
    "a listener does not know",
    trusting(here),
    trusting(there, here),
    "CERTIFICATE_UNKNOWN",
    /it does not know the certificate of this machine .*usbferry pair/,
    /its certificate \(there, SHA-256 [0-9a-f]{16}\.\.\.\) is not that of a paired machine/,
  ],
  [
    "a dialler does not know",
    trusting(here, there),
    trusting(there, stranger),
    "CERTIFICATE_UNKNOWN",
    /its certificate \(here, SHA-256 .*\) is not that of a paired machine .*or another machine answers in its place/,
    /it does not know the certificate of this machine/,
  ],
  [
    "has expired at the dialling side",
    trusting(here, expired),
    trusting(expired, here),
    "CERTIFICATE_EXPIRED",
    /it says that the certificate of this machine has expired .*usbferry pair renew/,
    /the certificate of "expired" expired on [A-Z][a-z]{2} .* GMT .*usbferry pair renew/,
  ],
  [
    "has expired at the listening side",
    trusting(expired, there),
    trusting(there, expired),
    "CERTIFICATE_EXPIRED",
    /the certificate of "expired" expired on/,
    /it says that the certificate of this machine has expired/,
  ],
  [
    "is not valid yet",
    trusting(here, early),
    trusting(early, here),
    "CERTIFICATE_EARLY",
    /it says that the certificate of this machine is not valid yet .*clocks/,
    /the certificate of "early" is valid from .* on only .*clock/,
  ],
] as const satisfies readonly (readonly [string, TlsTrust, TlsTrust, string, RegExp, RegExp])[]) {
  test(`a certificate that ${what} is refused, and both sides say so`, async () => {
    const [dialling, listener] = await refusals(listened, dialled);
    assert.deepEqual([dialling.code, listener.code], [code, code]);
    assert.match(dialling.message, /^cannot reach tls:127\.0\.0\.1:\d+: /);
    assert.match(dialling.message, there_);
    assert.match(listener.message, /^turned away tls:127\.0\.0\.1:\d+: /);
    assert.match(listener.message, here_);
  });
}

test("another paired machine than the one that was dialled is a wrong name, and both sides say so", async () => {
  const elsewhere: TestMachine = { ...here, paired: { ...here.paired, hosts: ["192.0.2.7"] } };
  const [dialling, listener] = await refusals(trusting(here, there), trusting(there, elsewhere));
  assert.deepEqual([dialling.code, listener.code], ["WRONG_NAME", "WRONG_NAME"]);
  assert.match(
    dialling.message,
    /is "here", which is not expected under this host .*pair host here 127\.0\.0\.1/,
  );
  assert.match(listener.message, /it dialled another machine and found this one/);
});

/** A client of somebody else: what it was told before it was cut. */
async function foreign(place: Listening, options: object): Promise<string> {
  const socket = tlsConnect({
    port: place.address.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...options,
  });
  let told = "";
  socket.on("error", (error: Error & { code?: string }) => {
    told += error.code;
  });
  socket.on("data", (bytes: Buffer) => {
    told += bytes.toString();
  });
  await closed(socket);
  return told;
}

test("a client without a certificate is refused, and told so inside", async () => {
  const place = await listening(trusting(here, there));
  assert.equal(await foreign(place, {}), "usbferry/1 CERTIFICATE_ABSENT\n");
  await place.until("it is told here", () => place.turnedAway.length > 0);
  assert.equal(place.turnedAway[0]!.code, "CERTIFICATE_ABSENT");
  assert.match(place.turnedAway[0]!.message, /it shows no certificate .*Only paired machines/);
  assert.equal(place.links.length, 0);
});

test("a client of another program, with a paired certificate, gets the bytes alone", async () => {
  const place = await listening(trusting(here, there));
  const { key, certificate: cert } = there.identity;
  const socket = tlsConnect({
    port: place.address.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    key,
    cert,
  });
  await place.until("the link arrives", () => place.links.length === 1);
  place.links[0]!.start(
    () => {},
    () => {},
  );
  place.links[0]!.write([Buffer.from("raw")], () => {});
  const [bytes] = (await once(socket, "data")) as [Buffer];
  assert.equal(bytes.toString(), "raw");
  socket.destroy();
});

test("TLS 1.2 is not spoken", async () => {
  const place = await listening(trusting(here, there));
  const { key, certificate: cert } = there.identity;
  const told = await foreign(place, { key, cert, maxVersion: "TLSv1.2" });
  assert.match(told, /PROTOCOL_VERSION/);
  await place.until("it is told here", () => place.turnedAway.length > 0);
  assert.equal(place.turnedAway[0]!.code, "TLS_FAILED");
});

test("what is no TLS is told on the side that finds it", async () => {
  const place = await listening(trusting(here, there));
  const client = connect(place.address.port, "127.0.0.1").on("error", () => {});
  client.write(Buffer.from("0111800500000000", "hex"));
  await place.until("it is told", () => place.turnedAway.length > 0);
  assert.match(place.turnedAway[0]!.message, /there is no TLS 1\.3 \(.*\)\. It must dial with tls:/);
  client.destroy();

  const server = createServer((socket) => socket.on("error", () => {}).end("not TLS at all")).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const error = await rejection(dialTls({ ...loopback, port }, LINK_LIMITS, trusting(there, here)));
  assert.equal(error.code, "TLS_FAILED");
  assert.match(error.message, /cannot reach .*plain USB\/IP is dialled with tcp:/);
});

test("a machine that says nothing is given up in time, on either side", async () => {
  const limits = { ...LINK_LIMITS, dialMs: 200 };
  const place = await listening(trusting(here, there), limits);
  const client = connect(place.address.port, "127.0.0.1").on("error", () => {});
  await closed(client);
  assert.match(place.turnedAway[0]!.message, /no answer within 200 ms/);

  const server = createServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const error = await rejection(dialTls({ ...loopback, port }, limits, trusting(there, here)));
  assert.match(error.message, /no answer within 200 ms/);
});

test("a peer that agrees to the protocol and says something else in it is cut", async () => {
  const place = await listening(trusting(here, there));
  const { key, certificate: cert } = there.identity;
  const ALPNProtocols = ["usbferry/1"];
  for (const line of ["GET / HTTP/1.1\r\n", "usbferry/1 MAYBE\n", "x".repeat(1 << 20)]) {
    const before = place.turnedAway.length;
    const socket = tlsConnect({
      port: place.address.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      key,
      cert,
      ALPNProtocols,
    });
    socket.on("error", () => {});
    socket.resume();
    socket.write(line);
    await closed(socket);
    await place.until("it is told", () => place.turnedAway.length > before);
    assert.match(place.turnedAway.at(-1)!.message, /it speaks another protocol inside/);
  }
  assert.equal(place.links.length, 0);
});

test("connections that prove nothing are bounded, and others come in when they are gone", async () => {
  const place = await listening(trusting(here, there), { ...LINK_LIMITS, dialMs: 1_000 });
  const idle = Array.from({ length: 160 }, () =>
    connect(place.address.port, "127.0.0.1").on("error", () => {}),
  );
  let cut = 0;
  for (const socket of idle) socket.on("close", () => void cut++).resume();
  await place.until("those above the limit are cut", () => cut >= 32);
  await place.until("the others are given up", () => cut === idle.length);
  (await dialTls(place.address, LINK_LIMITS, trusting(there, here))).destroy();
});

test("who has proved nothing yet is cut when the listener closes", async () => {
  const place = await listening(trusting(here, there));
  const client = connect(place.address.port, "127.0.0.1").on("error", () => {});
  await once(client, "connect");
  const dialling = rejection(dialTls(place.address, LINK_LIMITS, trusting(there, here)));
  await new Promise((resolve) => setImmediate(resolve));
  place.close();
  await closed(client);
  assert.match((await dialling).code, /TLS_FAILED|ECONNRE/);
  assert.deepEqual([place.links, place.turnedAway], [[], []]);
});

test("nobody is trusted while it cannot be read who is", async () => {
  const damaged: TlsTrust = {
    identity: () => Promise.resolve(here.identity),
    machines: () => Promise.reject(new Error("machines.json, line 3: it is damaged.")),
  };
  const place = await listening(damaged);
  await rejection(dialTls(place.address, LINK_LIMITS, trusting(there, here)));
  await place.until("it is told", () => place.turnedAway.length > 0);
  assert.equal(place.turnedAway[0]!.code, "TRUST_UNREADABLE");
  assert.match(place.turnedAway[0]!.message, /machines\.json, line 3/);
});

test("a machine that was removed does not come in again", async () => {
  const machines = [there.paired];
  const place = await listening({
    identity: () => Promise.resolve(here.identity),
    machines: () => Promise.resolve(machines),
  });
  (await dialTls(place.address, LINK_LIMITS, trusting(there, here))).destroy();
  machines.pop();
  const error = await rejection(dialTls(place.address, LINK_LIMITS, trusting(there, here)));
  assert.equal(error.code, "CERTIFICATE_UNKNOWN");
});

/** Passes connections on and keeps what passes. */
async function tapped(port: number): Promise<{ port: number; seen: () => Buffer }> {
  const pieces: Buffer[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as readonly (readonly [Socket, Socket])[]) {
      from.on("data", (bytes: Buffer) => pieces.push(bytes));
      from.on("error", () => {});
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, seen: () => Buffer.concat(pieces) };
}

test("nothing of what is carried can be read on the way", async () => {
  const place = await listening(trusting(here, there));
  const tap = await tapped(place.address.port);
  const link = await dialTls({ ...loopback, port: tap.port }, LINK_LIMITS, trusting(there, here));
  await place.until("the link arrives", () => place.links.length === 1);
  const secret = Buffer.from("the very bytes of a USB transfer");
  let received = Buffer.alloc(0);
  place.links[0]!.start(
    (bytes) => {
      received = Buffer.concat([received, bytes]);
    },
    () => {},
  );
  link.write([secret], () => {});
  await place.until("they arrive", () => received.equals(secret));
  const seen = tap.seen();
  assert(seen.length > 1_000, `${seen.length} bytes seen on the way`);
  assert(!seen.includes(secret));
  // Names stand in certificates, which TLS 1.3 encrypts, too.
  assert(!seen.includes("there"));
  link.destroy();
});

test(
  "answers that nobody takes any more do not keep the descriptor that was given away",
  onLinux,
  async () => {
    const place = await listening(trusting(here, there));
    const dialled = await dialTls(place.address, LINK_LIMITS, trusting(there, here));
    await place.until("the link arrives", () => place.links.length === 1);
    const [accepted] = place.links;
    accepted!.start(
      () => {},
      () => assert.fail("it was given away"),
    );
    const fd = await new Promise<number>((resolve) => accepted!.move!(resolve));
    const taker = new Socket({ fd });
    taker.on("error", () => {});
    // More than the sockets between take: the other side does not read.
    taker.write(Buffer.alloc(32 << 20));
    await new Promise((resolve) => setTimeout(resolve, 100));
    dialled.destroy();
    const from = performance.now();
    taker.resume();
    await closed(taker);
    assert(performance.now() - from < 3_000, "it was closed by the last means");
  },
);

test("a peer that falls silent ends the link within the limit", onLinux, async () => {
  const place = await listening(trusting(here, there), { ...LINK_LIMITS, silenceMs: 3_000 });
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  // Its socket is within reach here, so that it can be made deaf.
  const near = connect(place.address.port, "127.0.0.1");
  const { key, certificate: cert } = there.identity;
  const ALPNProtocols = ["usbferry/1"];
  const socket = tlsConnect({ socket: near, rejectUnauthorized: false, key, cert, ALPNProtocols });
  socket.on("error", () => {});
  socket.write("usbferry/1 OK\n");
  await place.until("the link arrives", () => place.links.length === 1);
  silence(near);
  const from = performance.now();
  const cause = await new Promise<LinkError | undefined>((resolve) =>
    place.links[0]!.start(() => {}, resolve),
  );
  assert.equal(cause?.code, "ETIMEDOUT");
  assert(performance.now() - from <= 3_000);
  socket.destroy();
});
