import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "../../src/links/link.ts";
import type { LinkError } from "../../src/links/link-error.ts";

/** Two ends of one link, not started, and what to close when a test is over. */
export interface LinkPair {
  readonly here: Link;
  readonly there: Link;
  readonly close?: () => void;
}

/** One end as a test sees it. */
class End {
  readonly link: Link;
  received = Buffer.alloc(0);
  /** One entry per call of `ended`. */
  readonly endings: (LinkError | undefined)[] = [];
  receivedAfterEnd = 0;

  constructor(link: Link) {
    this.link = link;
  }

  start(): this {
    this.link.start(
      (bytes) => {
        if (this.endings.length > 0) this.receivedAfterEnd += bytes.length;
        // Concatenating copies: the bytes are valid during this call only.
        this.received = Buffer.concat([this.received, bytes]);
      },
      (cause) => this.endings.push(cause),
    );
    return this;
  }
}

/** A loaded machine takes seconds for what takes milliseconds. */
const PATIENCE_MS = 30_000;

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    assert(performance.now() < deadline, `${PATIENCE_MS} ms passed without this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

const MIB = 1024 * 1024;

/** The promises of `Link`, run by every kind of link. */
export function linkConformance(name: string, pair: () => Promise<LinkPair>): void {
  function promise(text: string, run: (here: Link, there: Link) => Promise<void>): void {
    void test(`${name}: ${text}`, async () => {
      const { here, there, close } = await pair();
      try {
        await run(here, there);
      } finally {
        here.destroy();
        there.destroy();
        close?.();
      }
    });
  }

  promise("bytes arrive whole and in order, both ways", async (here, there) => {
    const ends = [new End(here).start(), new End(there).start()] as const;
    const sent = pattern(3 * MIB);
    const pieces: Uint8Array[] = [];
    for (let at = 0, length = 1; at < sent.length; at += length, length = (length * 7 + 1) % 65_521) {
      pieces.push(sent.subarray(at, at + length));
    }
    for (let i = 0; i < pieces.length; i += 5) {
      here.write(pieces.slice(i, i + 5), () => {});
      there.write(pieces.slice(i, i + 5), () => {});
    }
    await until("all bytes arrive", () => ends.every((end) => end.received.length >= sent.length));
    for (const end of ends) assert(end.received.equals(sent), "other bytes arrived than were sent");
  });

  promise("nothing is lost that is written before the other side starts", async (here, there) => {
    new End(here).start();
    here.write([Buffer.from("early")], () => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    const end = new End(there).start();
    await until("the early bytes arrive", () => end.received.length === 5);
    assert.equal(end.received.toString(), "early");
  });

  promise("written runs once for each write, never inside it", async (here, there) => {
    new End(here).start();
    new End(there).start();
    const writes = [[], [new Uint8Array(0)], [pattern(10)], [pattern(1), pattern(70_000), pattern(3)]];
    const counts = writes.map(() => 0);
    for (const [i, chunks] of writes.entries()) {
      here.write(chunks, () => counts[i]!++);
      assert.equal(counts[i], 0, "written ran inside write");
    }
    await until("every write is written", () => counts.every((count) => count > 0));
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(counts, [1, 1, 1, 1]);
  });

  promise("what is written when something was written arrives once, and in order", async (here, there) => {
    new End(here).start();
    const end = new End(there).start();
    const expected: Uint8Array[] = [];
    const write = (left: number): void => {
      const chunks = [pattern(left), pattern(200 * left)];
      expected.push(...chunks);
      here.write(chunks, () => {
        if (left > 0) write(left - 1);
      });
    };
    write(99);
    await until("all bytes arrive", () => end.received.length >= 99 * 50 * 201);
    assert(end.received.equals(Buffer.concat(expected)), "other bytes arrived than were sent");
  });

  promise("chunks may be changed once they are written", async (here, there) => {
    new End(here).start();
    const end = new End(there).start();
    const chunk = pattern(MIB);
    here.write([chunk], () => chunk.fill(0));
    await until("all bytes arrive", () => end.received.length >= MIB);
    assert(end.received.equals(pattern(MIB)), "the change was seen by the other side");
  });

  promise("unsent counts what a peer does not read, and falls as it reads", async (here, there) => {
    new End(here).start();
    assert.equal(here.unsent, 0);
    let written = 0;
    for (let i = 0; i < 32; i++) here.write([pattern(MIB)], () => void written++);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const waiting = here.unsent;
    assert(waiting > 16 * MIB && waiting <= 32 * MIB, `${waiting} bytes unsent`);
    assert(written < 16, `${written} of 32 writes counted as written`);
    let received = 0;
    there.start(
      (bytes) => {
        received += bytes.length;
      },
      () => {},
    );
    await until("all is read", () => received === 32 * MIB);
    await until("all is written", () => written === 32);
    assert.equal(here.unsent, 0);
  });

  promise("end sends what was written; then both sides end without a cause", async (here, there) => {
    const ends = [new End(here).start(), new End(there).start()] as const;
    here.write([pattern(MIB)], () => {});
    here.end();
    await until("both sides end", () => ends.every((end) => end.endings.length > 0));
    assert.equal(ends[1].received.length, MIB);
    assert.deepEqual(
      ends.map((end) => end.endings),
      [[undefined], [undefined]],
    );
  });

  promise("the answer to a last question arrives before the end", async (here, there) => {
    const asking = new End(here).start();
    there.start(
      () => there.write([pattern(MIB)], () => {}),
      () => {},
    );
    here.write([Buffer.from("?")], () => {});
    await until("the answer begins", () => asking.received.length > 0);
    there.end();
    await until("the link ends", () => asking.endings.length > 0);
    assert.equal(asking.received.length, MIB);
    assert.deepEqual(asking.endings, [undefined]);
  });

  promise("destroy ends both sides once, and pending writes are still reported", async (here, there) => {
    const ends = [new End(here).start(), new End(there)] as const;
    let written = 0;
    for (let i = 0; i < 32; i++) here.write([pattern(MIB)], () => void written++);
    await new Promise((resolve) => setTimeout(resolve, 10));
    here.destroy();
    ends[1].start();
    await until("both sides end", () => ends.every((end) => end.endings.length > 0));
    await until("every write is reported", () => written === 32);
    assert.equal(here.unsent, 0);
    assert.equal(ends[0].endings[0], undefined, "destroying is no failure");
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const end of ends) assert.equal(end.endings.length, 1);
  });

  promise("nothing is received after destroy, not even in the same turn", async (here, there) => {
    const sender = new End(there).start();
    let calls = 0;
    let ended = 0;
    here.start(
      () => {
        calls++;
        here.destroy();
      },
      () => {
        ended++;
      },
    );
    for (let i = 0; i < 100; i++) there.write([pattern(10_000)], () => {});
    await until("both sides end", () => ended > 0 && sender.endings.length > 0);
    assert.deepEqual([calls, ended], [1, 1]);
  });

  promise("a write after the end is reported as written and goes nowhere", async (here, there) => {
    const ends = [new End(here).start(), new End(there).start()] as const;
    there.destroy();
    await until("both sides end", () => ends.every((end) => end.endings.length > 0));
    let written = 0;
    here.write([pattern(10)], () => void written++);
    assert.equal(written, 0);
    await until("the write is reported", () => written === 1);
    assert.equal(here.unsent, 0);
    here.end();
    here.destroy();
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const end of ends) assert.equal(end.endings.length, 1);
  });
}
