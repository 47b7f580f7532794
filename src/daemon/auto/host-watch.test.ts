import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { annotatedHex } from "../../../test/support/annotated-hex.ts";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { RemoteHosts } from "../remote-hosts.ts";
import { HostWatch } from "./host-watch.ts";

/** OP_REP_EVENTS of a host that is silent for a second at most, and an empty snapshot. */
const ACCEPTED = annotatedHex("0111 0e01 00000000 0001 0001 0002 0000 00000001");
const ALIVE = annotatedHex("0006 0000 00000002");
const ASK_BYTES = 12;

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < endMs, `did not happen: ${what()}`);
    // oxlint-disable-next-line no-await-in-loop -- asked again and again
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A host whose every word is the test's, and a watch of it whose time the test moves. */
async function watched(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "usbferry-watch-"));
  const path = join(folder, "host.sock");
  const guests: Socket[] = [];
  const server = createServer((guest) => {
    guest.on("error", () => {});
    guests.push(guest);
  }).listen(path);
  await once(server, "listening");
  const loop = new ManualLoop();
  const lines: string[] = [];
  const note = (_: object, line: string): void => void lines.push(line);
  const log = { info: note, warn: note };
  const watch = new HostWatch(
    { kind: "unix", path },
    new RemoteHosts(loop),
    loop,
    log,
    () => {},
    () => true,
    () => 0,
  );
  const running = watch.run();
  context.after(async () => {
    watch.stop();
    await running;
    server.close();
    for (const guest of guests) guest.destroy();
    rmSync(folder, { recursive: true });
  });
  /** The next connection, once it has asked. */
  const next = async (count: number): Promise<Socket> => {
    await until(
      () => guests.length >= count,
      () => `${guests.length} of ${count} connections`,
    );
    const guest = guests[count - 1]!;
    const [asked] = (await once(guest, "data")) as [Buffer];
    assert.equal(asked.length, ASK_BYTES);
    return guest;
  };
  return { watch, loop, lines, next, guests };
}

test("a host that falls silent is lost, and dialled again at once", async (context) => {
  const { watch, loop, lines, next } = await watched(context);
  const first = await next(1);
  first.write(ACCEPTED);
  await until(
    () => watch.watching === "pushed",
    () => watch.watching,
  );
  loop.advance(2_000);
  first.write(ALIVE);
  // What it says is heard before time goes on.
  await new Promise((resolve) => setTimeout(resolve, 50));
  loop.advance(2_400);
  assert.equal(watch.watching, "pushed");
  loop.advance(200);
  await until(
    () => watch.watching === "unreachable",
    () => watch.watching,
  );
  assert.equal(watch.reason, "it was silent for 2.5 s");
  assert.equal(lines.filter((line) => line.startsWith("HOST_UNREACHABLE")).length, 1);
  // The pause of no time at all that ends with the next turn of the loop.
  await until(
    () => {
      loop.advance(0);
      return loop.timers <= 1;
    },
    () => String(loop.timers),
  );
  await next(2);
});

test("a host that ends each conversation at once is not dialled without a pause", async (context) => {
  const { watch, loop, next, guests } = await watched(context);
  const first = await next(1);
  first.end(ACCEPTED);
  await until(
    () => watch.watching === "unreachable" && loop.timers === 1,
    () => watch.watching,
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  loop.advance(100);
  assert.equal(guests.length, 1);
  loop.advance(50);
  (await next(2)).end(ACCEPTED);
});

test("a host that does not answer at all is given up after 10 s", async (context) => {
  const { watch, loop, next, lines } = await watched(context);
  await next(1);
  loop.advance(9_999);
  assert.equal(watch.watching, "asking");
  loop.advance(1);
  await until(
    () => lines.some((line) => line.startsWith("EVENTS_NOT_PUSHED")),
    () => lines.join(),
  );
});

test("a host that breaks the protocol of events is lost, and what it has told forgotten", async (context) => {
  const { watch, next } = await watched(context);
  const guest = await next(1);
  guest.write(Buffer.concat([ACCEPTED, annotatedHex("0006 0000 00000009")]));
  await until(
    () => watch.watching === "unreachable",
    () => watch.watching,
  );
  assert.match(watch.reason, /^BAD_FIELD: event 9 comes where 2 does/);
});
