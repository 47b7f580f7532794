import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../wire/protocol-error.ts";
import {
  CONTROL_BLOCK_SIZE,
  CONTROL_MAGIC,
  Control,
  type Layout,
  type LayoutPlan,
  LINE,
  NO_NOTIFY,
  planLayout,
  RING_HEADER_SIZE,
  RING_VERSION,
  RingHeader,
  readLayout,
  Side,
  State,
  writeLayout,
} from "./layout.ts";
import { RingMemory } from "./ring-memory.ts";

function planned(plan: LayoutPlan): Layout {
  const layout = planLayout(plan);
  assert(!(layout instanceof ProtocolError));
  return layout;
}

function laidOut(plan: LayoutPlan): { memory: RingMemory; layout: Layout } {
  const layout = planned(plan);
  const memory = new RingMemory(new SharedArrayBuffer(layout.total));
  writeLayout(memory, layout);
  memory.store(Control.magic, CONTROL_MAGIC);
  return { memory, layout };
}

test("the control block and the ring header are those of USBWarp 1.0", () => {
  assert.deepEqual([CONTROL_BLOCK_SIZE, RING_HEADER_SIZE, LINE], [4096, 192, 64]);
  assert.equal(CONTROL_MAGIC, 0x56444855);
  assert.equal(Buffer.from(Uint32Array.of(CONTROL_MAGIC).buffer).toString("latin1"), "UHDV");
  assert.deepEqual(Control, {
    magic: 0x00,
    version: 0x04,
    shm_total_size: 0x08,
    flags: 0x0c,
    g2h_ring_offset: 0x10,
    g2h_ring_size: 0x14,
    h2g_ring_offset: 0x18,
    h2g_ring_size: 0x1c,
    data_region_offset: 0x20,
    data_region_size: 0x24,
    buffer_size: 0x28,
    buffer_count: 0x2c,
    host: 0x40,
    guest: 0x80,
  });
  assert.deepEqual([Control.host + Side.heartbeat_ts, Control.host + Side.state], [0x40, 0x48]);
  assert.deepEqual([Control.guest + Side.heartbeat_ts, Control.guest + Side.state], [0x80, 0x88]);
  assert.deepEqual(State, { INIT: 0, READY: 1, RUNNING: 2, SHUTTING_DOWN: 3, STOPPED: 4, ERROR: 5 });
  assert.deepEqual(RingHeader, {
    producer_index: 0x00,
    producer_flags: 0x04,
    consumer_index: 0x40,
    consumer_flags: 0x44,
    data_size: 0x80,
    data_size_mask: 0x84,
    max_message_size: 0x88,
  });
  assert.equal(NO_NOTIFY, 1);
});

test("what version 1.1 adds stands in the lines of its writers", () => {
  assert.equal(RING_VERSION, 0x0101);
  assert.deepEqual(Side, {
    heartbeat_ts: 0x00,
    state: 0x08,
    epoch: 0x0c,
    sees: 0x10,
    bell: 0x14,
    end: 0x18,
  });
});

test("32 MiB with rings of 256 KiB and slots of 64 KiB lie as in USBWarp 1.0", () => {
  assert.deepEqual(planned({ total: 32 << 20, ringData: 256 << 10, slotSize: 64 << 10 }), {
    total: 0x2000000,
    g2h: { offset: 0x1000, dataSize: 262_144 },
    h2g: { offset: 0x410c0, dataSize: 262_144 },
    dataOffset: 0x82000,
    dataSize: 0x1f7e000,
    slotSize: 65_536,
    slotCount: 503,
    messageMax: 65_536,
  });
});

test("the total is rounded up to a power of two", () => {
  assert.equal(planned({ total: (4 << 20) + 1 }).total, 8 << 20);
  assert.equal(planned({ total: 4 << 20 }).total, 4 << 20);
});

test("a plan outside of the limits is refused", () => {
  const wrong: readonly LayoutPlan[] = [
    { total: (4 << 20) - 1 },
    { total: (256 << 20) + 1 },
    { total: Number.NaN },
    { ringData: 32 << 10 },
    { ringData: 8 << 20 },
    { ringData: 100_000 },
    { slotSize: 2 << 10 },
    { slotSize: 2 << 20 },
    { slotSize: 12_288 },
    { total: 4 << 20, ringData: 1 << 20, slotSize: 1 << 20 },
  ];
  for (const plan of wrong) assert(planLayout(plan) instanceof ProtocolError, JSON.stringify(plan));
});

test("a layout that was written reads the same", () => {
  for (const plan of [{}, { total: 4 << 20, ringData: 64 << 10, slotSize: 4 << 10 }]) {
    const { memory, layout } = laidOut(plan);
    assert.deepEqual(readLayout(memory), layout);
  }
});

test("the fixed words of a layout stand at their places", () => {
  const { memory } = laidOut({ total: 32 << 20, ringData: 256 << 10, slotSize: 64 << 10 });
  const words = (at: number, count: number) =>
    Array.from({ length: count }, (_, i) => memory.load(at + 4 * i));
  assert.deepEqual(
    words(0x00, 12),
    [
      0x56444855, 0x00010001, 0x2000000, 1, 0x1000, 0x400c0, 0x410c0, 0x400c0, 0x82000, 0x1f7e000, 0x10000,
      503,
    ],
  );
  assert.deepEqual(words(0x1080, 3), [262_144, 262_143, 65_536]);
  assert.deepEqual(words(0x41140, 3), [262_144, 262_143, 65_536]);
});

test("there is no layout without the magic, and that of a 1.0 host is refused", () => {
  const { memory } = laidOut({});
  memory.store(Control.magic, 0);
  assert.equal(readLayout(memory), undefined);
  memory.store(Control.magic, CONTROL_MAGIC);
  memory.store(Control.version, 0x0001);
  const refused = readLayout(memory);
  assert(refused instanceof ProtocolError);
  assert.equal(refused.code, "BAD_VERSION");
  assert.match(refused.message, /the host speaks version 1\.0 of the ring, this guest 1\.1/);
});

test("a layout in which any word is wrong is refused, and never thrown", () => {
  const edges = [0, 1, 63, 64, 4095, 4096, 0x1000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff];
  const { layout } = laidOut({});
  const fixed = [0x04, 0x08, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c];
  const headers = [layout.g2h, layout.h2g].flatMap(({ offset }) => [
    offset + 0x80,
    offset + 0x84,
    offset + 0x88,
  ]);
  for (const at of [...fixed, ...headers]) {
    for (const edge of edges) {
      const { memory } = laidOut({});
      if (memory.load(at) === edge) continue;
      memory.store(at, edge);
      const read = readLayout(memory);
      assert(read !== undefined);
      // What is accepted all the same lies inside, and apart.
      if (read instanceof ProtocolError) continue;
      assert(read.total <= memory.length && read.dataOffset + read.slotCount * read.slotSize <= read.total);
      assert(read.messageMax >= 4096 && read.messageMax <= read.g2h.dataSize / 4);
    }
  }
});
