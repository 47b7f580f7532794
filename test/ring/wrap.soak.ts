import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel } from "../../src/ring/channel.ts";
import { planLayout } from "../../src/ring/layout.ts";
import { BODY } from "../../src/ring/messages.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import { RingStats } from "../../src/ring/ring-stats.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

test("indices go round 2^32, and every message is whole", () => {
  const layout = planLayout({ ringData: 4 << 20 });
  assert(!(layout instanceof ProtocolError));
  const memory = new RingMemory(new SharedArrayBuffer(layout.total));
  const host = new Channel(memory, layout, "host", new RingStats(), () => {});
  const guest = new Channel(memory, layout, "guest", new RingStats(), () => {});
  guest.clear();
  host.clear();
  const body = new Uint8Array(layout.messageMax - BODY);
  const words = new Uint32Array(body.buffer);
  for (let written = 0, number = 0; written < 2 ** 32 + (16 << 20); written += layout.messageMax) {
    words.fill(++number);
    host.say(100, 1, 1, body);
    assert.equal(host.flush(), undefined);
    if (guest.incoming.next() !== true) assert.fail(`after ${written} bytes`);
    const { bytes } = guest.incoming;
    assert.equal(Buffer.compare(bytes.subarray(BODY, layout.messageMax), body), 0, `after ${written} bytes`);
    assert.equal(guest.flush(), undefined);
  }
});
