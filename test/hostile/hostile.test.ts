import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTILE_PEERS } from "./hostile-peers.ts";
import { Peer } from "./peer.ts";
import { RunningHost } from "./running-host.ts";
import { SteadySession } from "./steady-session.ts";

/** Short, so that the test is; the places without a device are fewer than the crowd that comes. */
const LIMITS = { handshakeMs: 2_500, anotherMs: 2_000, stallMs: 600, lingerMs: 200, withoutDevice: 500 };
const CROWD = 2000;
/** As many as wait to be accepted; the kernel forgets what comes beyond, and a silent client never learns of it. */
const AT_ONCE = 250;
/** Longer than anything here should take; the host answers or cuts well before. */
const PATIENCE_MS = 8_000;
/** An answer that takes longer is a stall. Machines that run tests side by side are slow at times. */
const STALL_MS = 5_000;
const RSS_MAX = 400 << 20;
const BUFFERS_MAX = 160 << 20;

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!isTrue()) {
    assert.ok(performance.now() < deadlineMs, `${what} within ${PATIENCE_MS} ms`);
    await sleep(10);
  }
}

for (const place of process.platform === "linux" ? (["main", "worker"] as const) : (["main"] as const)) {
  describe(`devices in the ${place} thread`, () => hostile(place));
}

function hostile(place: "main" | "worker"): void {
  let host: RunningHost;
  let steady: SteadySession;

  before(async () => {
    host = await RunningHost.start(LIMITS, 1 + HOSTILE_PEERS.length, place);
    steady = await SteadySession.start(host.port, "zero");
  });

  after(() => host.stop());

  /** Connections for which there was no room. */
  function turnedAway(): number {
    return host.lines.reduce(
      (sum, { code, count }) => sum + (code === "TOO_MANY_CONNECTIONS" ? count! : 0),
      0,
    );
  }

  test("bad connections end with one line each", { timeout: 30_000, concurrency: true }, async (t) => {
    await Promise.all(
      HOSTILE_PEERS.map((harmful, index) =>
        t.test(`${harmful.name} ends with ${harmful.code}`, async () => {
          const peer = await Peer.connect(host.port);
          await harmful.act(peer, `zero-${index + 2}`);
          await until("a line", () => host.endsOf(peer.name).length > 0);
          await peer.closed();
          await sleep(50);
          assert.deepEqual(
            host.endsOf(peer.name).map(({ code }) => code),
            [harmful.code],
          );
        }),
      ),
    );
  });

  test(`a crowd of ${CROWD} silent connections is sent away`, { timeout: 30_000 }, async () => {
    const crowd: Peer[] = [];
    while (crowd.length < CROWD) {
      crowd.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => Peer.connect(host.port)))));
    }
    await Promise.all(crowd.map((peer) => peer.closed()));
    const ends = () => crowd.flatMap((peer) => host.endsOf(peer.name));
    await until("an end of each", () => ends().length + turnedAway() === CROWD);
    assert.ok(ends().every(({ code }) => code === "HANDSHAKE_TIMEOUT"));
    assert.ok(turnedAway() > 0, `${turnedAway()} were sent away at once`);
  });

  test("devices that a bad connection had can be imported again", async () => {
    for (const index of HOSTILE_PEERS.keys()) {
      const peer = await Peer.connect(host.port);
      await peer.import(`zero-${index + 2}`);
      peer.socket.end();
      await peer.closed();
    }
  });

  test("the session that behaves has had no error and no stall, in bounded memory", async (t) => {
    await steady.stop();
    const { rss, arrayBuffers } = host.peak;
    t.diagnostic(`${steady.transfers} transfers, the slowest took ${Math.round(steady.longestMs)} ms`);
    t.diagnostic(`at most ${rss >> 20} MiB resident, ${arrayBuffers >> 20} MiB of buffers`);
    assert.ok(steady.transfers > 100, `${steady.transfers} transfers`);
    assert.ok(steady.longestMs < STALL_MS, `the slowest transfer took ${steady.longestMs} ms`);
    assert.ok(rss < RSS_MAX, `${rss >> 20} MiB resident`);
    assert.ok(arrayBuffers < BUFFERS_MAX, `${arrayBuffers >> 20} MiB of buffers`);
    assert.ok(host.isAlive);
  });
}
