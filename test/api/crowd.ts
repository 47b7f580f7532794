import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { call, open } from "./api-client.ts";
import { ApiDaemon } from "./api-daemon.ts";
import { EventReader } from "./event-reader.ts";

/** What the daemon may grow by: garbage that has not been collected yet, and so much for each client. */
const GARBAGE = 96 << 20;
const CLIENT = 64 << 10;
/** What it may grow by in the second half of the rounds, when everything has been seen. */
const DRIFT = 24 << 20;
const DRIBBLE_MS = 500;

/** What a stuck client has said before it stops. */
const STUCK: readonly ((socket: Socket) => void)[] = [
  // Reads no event.
  (socket) => socket.pause().write("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"),
  // Half a head, half a body, and nothing.
  (socket) => socket.write("GET /v1/devices HTTP/1.1\r\nHo"),
  (socket) =>
    socket.write(
      'POST /v1/gadgets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"ga',
    ),
  () => {},
  // Asks again and again and reads no answer.
  (socket) => socket.pause().write("GET /v1/state HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200)),
  // A header a piece at a time.
  (socket) => {
    socket.write("GET /v1/devices HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    const timer = setInterval(() => socket.write("x"), DRIBBLE_MS);
    socket.once("close", () => clearInterval(timer));
  },
];

/** So many clients, half of them stuck in every way: the others are answered, and the daemon does not grow. */
export async function crowd(context: TestContext, clients: number, rounds: number): Promise<void> {
  const daemon = await ApiDaemon.start(context, "serve", "--gadget", "zero");
  const { place } = daemon;
  const plug = { method: "POST", path: "/v1/gadgets", headers: { "content-type": "application/json" } };
  const plugAndUnplug = async (): Promise<void> => {
    assert.equal((await call(place, { ...plug, body: '{"gadget":"mouse"}' })).status, 200);
    assert.equal((await call(place, { method: "DELETE", path: "/v1/gadgets/mouse" })).status, 200);
  };
  await plugAndUnplug();
  const watcher = new EventReader(place);
  await watcher.until(({ begun }) => begun);
  const stuck = Array.from({ length: clients / 2 }, (_, i) => {
    const socket = open(place);
    socket.on("error", () => {});
    socket.once("connect", () => STUCK[i % STUCK.length]!(socket));
    return socket;
  });
  const before = daemon.memory;
  const peaks = [before, before];
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all(
      Array.from({ length: clients / 2 }, () => call(place, { method: "GET", path: "/v1/devices" })),
    );
    for (const { status } of answers) assert.equal(status, 200);
    await plugAndUnplug();
    const half = round < rounds / 2 ? 0 : 1;
    peaks[half] = Math.max(peaks[half]!, daemon.memory);
  }
  await watcher.until(({ events }) => events.length === 2 * rounds);
  const ids = watcher.ids;
  assert(
    ids.every((id, i) => i === 0 || id === ids[i - 1]! + 1),
    "the reader that reads has missed nothing",
  );
  const [first, second] = peaks as [number, number];
  const told = [before, first, second].map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`).join(", ");
  context.diagnostic(`memory before, in the first half and in the second at most: ${told}`);
  assert(Math.max(first, second) - before < GARBAGE + clients * CLIENT, told);
  assert(second - first < DRIFT, told);
  watcher.close();
  for (const socket of stuck) socket.destroy();
  await daemon.stop();
}
