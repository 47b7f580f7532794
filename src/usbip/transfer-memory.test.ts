import assert from "node:assert/strict";
import { test } from "node:test";
import { Exchange } from "./exchange.ts";
import { HEADER_SIZE } from "./pdu.ts";
import { TransferMemory } from "./transfer-memory.ts";

function taken(memory: TransferMemory, size: number): Exchange {
  const exchange = new Exchange(0);
  assert(memory.take(exchange, size));
  return exchange;
}

test("small transfers stand side by side, and a page is used again when all have come back", () => {
  const memory = new TransferMemory(1 << 20, undefined, () => {});
  const [first, second] = [taken(memory, 560), taken(memory, 60)];
  assert.equal(second.memory, first.memory);
  assert.deepEqual([first.at, second.at], [0, 560]);
  assert.deepEqual([first.urb.buffer, first.urb.offset], [first.memory, HEADER_SIZE]);
  memory.give(first);
  assert.equal(taken(memory, 100).at, 620);
  memory.give(second);
});

test("a transfer that stays keeps its page, and others go on in another one", () => {
  const memory = new TransferMemory(1 << 20, undefined, () => {});
  const stays = taken(memory, 64);
  const before = stays.memory.slice(0, 64);
  const others = new Set<Uint8Array>();
  for (let i = 0; i < 1_000; i++) {
    const passes = taken(memory, 1_000);
    passes.memory.fill(0xee, passes.at, passes.at + passes.size);
    others.add(passes.memory);
    memory.give(passes);
  }
  assert.deepEqual(stays.memory.slice(0, 64), before);
  assert.equal(others.size, 2);
});

test("pages count against the limit, and are let go of", () => {
  const limit = 1 << 20;
  const memory = new TransferMemory(limit, undefined, () => {});
  const many: Exchange[] = [];
  for (let one = new Exchange(0); memory.take(one, 4_096); one = new Exchange(0)) many.push(one);
  assert.equal(many.length, limit / 4_096);
  for (const one of many) memory.give(one);
  // A few pages are kept for later.
  assert(memory.take(new Exchange(0), limit - 8 * (32 << 10)));
});

test("where there is no room for a page there may be for a transfer", () => {
  const memory = new TransferMemory(1_024, undefined, () => {});
  const [first, second] = [taken(memory, 500), taken(memory, 500)];
  assert.equal(memory.take(new Exchange(0), 1), false);
  memory.give(first);
  memory.give(second);
  assert.equal(taken(memory, 1_000).memory.length, 1_024);
});

test("what is lent is counted, and there when it is asked for", () => {
  const memory = new TransferMemory(64 << 10, undefined, () => {});
  const lent = new Exchange(0);
  assert(memory.reserve(lent, 20_000) && memory.takeHeader(lent));
  assert.equal(memory.reserve(new Exchange(1), 20_000), false);
  lent.lend(Uint8Array.of(1, 2, 3, 4), 1);
  lent.takeBack();
  memory.takeReserved(lent);
  lent.fill(Uint8Array.of(9, 8, 7), 1, 2, 0);
  assert.deepEqual(Array.from(lent.urb.buffer.subarray(0, 2)), [8, 7]);
  assert.notEqual(lent.urb.buffer, lent.memory);
  memory.give(lent);
  const again = new Exchange(2);
  assert(memory.reserve(again, 20_000));
  memory.give(again);
  assert(memory.reserve(new Exchange(3), 20_000));
});
