import assert from "node:assert/strict";
import { closeSync, readSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onLinux } from "../../test/support/poll-loop.ts";
import { dial } from "./dial.ts";
import type { Link } from "./link.ts";
import { type LinkAddress, listen } from "./listen.ts";
import type { Listener } from "./listener.ts";

const listeners: Listener[] = [];
after(() => {
  for (const listener of listeners) listener.close();
});

async function pair(): Promise<readonly [Link, Link]> {
  let arrived!: (link: Link) => void;
  const arriving = new Promise<Link>((resolve) => {
    arrived = resolve;
  });
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, arrived);
  listeners.push(listener);
  const dialled = await dial(listener.address as LinkAddress);
  return [await arriving, dialled];
}

const MIB = 1 << 20;

test(
  "a link moves when all it wrote has left, receives nothing more, and ends without a word",
  onLinux,
  async () => {
    const [here, there] = await pair();
    const received: string[] = [];
    const events: string[] = [];
    here.start(
      (bytes) => {
        received.push(Buffer.from(bytes).toString());
        here.move!((fd) => {
          events.push(`moved with ${here.unsent} unsent`);
          const bytesOf = Buffer.alloc(8);
          assert.equal(bytesOf.toString("latin1", 0, readSync(fd, bytesOf)), "second");
          closeSync(fd);
        });
      },
      () => events.push("ended"),
    );
    here.write([new Uint8Array(16 * MIB)], () => events.push("written"));
    there.write([Buffer.from("first")], () => {});
    await sleep(50);
    there.write([Buffer.from("second")], () => {});
    await sleep(50);
    assert.deepEqual([received, events], [["first"], []]);
    let length = 0;
    const over = new Promise<void>((resolve) => {
      there.start(
        (bytes) => {
          length += bytes.length;
        },
        () => resolve(),
      );
    });
    await over;
    assert.equal(length, 16 * MIB);
    assert.deepEqual([received, events], [["first"], ["written", "moved with 0 unsent"]]);
  },
);

for (const how of ["end", "destroy"] as const) {
  test(`a link that is to move and is told to ${how} does that instead`, onLinux, async () => {
    const [here, there] = await pair();
    const events: string[] = [];
    const ended = new Promise<void>((resolve) => {
      here.start(
        () => {},
        (cause) => {
          events.push(`ended ${cause?.code}`);
          resolve();
        },
      );
    });
    here.write([new Uint8Array(16 * MIB)], () => {});
    here.move!(() => assert.fail("it has moved"));
    here[how]();
    there.start(
      () => {},
      () => {},
    );
    await ended;
    assert.deepEqual(events, ["ended undefined"]);
  });
}

test("a peer that goes while the link is to move is an end with its cause", onLinux, async () => {
  const [here, there] = await pair();
  const ended = new Promise<string | undefined>((resolve) => {
    here.start(
      () => {},
      (cause) => resolve(cause?.code),
    );
  });
  here.write([new Uint8Array(16 * MIB)], () => {});
  here.move!(() => assert.fail("it has moved"));
  there.destroy();
  assert.match((await ended) ?? "", /ECONNRESET|EPIPE/);
});
