/** What QEMU's vfio-user-pci does, in the order that was recorded from version 11.1: it pipelines, and posts writes. */
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { annotatedHex, toHex } from "../../test/support/annotated-hex.ts";
import { LENGTH, RESULT, SCRATCH, SOURCE, START, TARGET } from "../../test/support/copy-engine.ts";
import { onLinux } from "../../test/support/poll-loop.ts";
import {
  bytesOf,
  copy,
  messageOf,
  type VfioUserClient,
  writeOf,
} from "../../test/support/vfio-user-client.ts";
import {
  ClientEvent,
  ClientMemory,
  openDescriptors,
  ServedEngine,
} from "../../test/support/vfio-user-served.ts";
import { Command, DmaMap, DmaUnmap, IrqInfo, RegionAccess, WriteMulti } from "./messages.ts";

const MIB = 2 ** 20;

/** 214 bytes with its header: no longer answer is taken. */
const JSON_OF_QEMU =
  '{"capabilities": {"migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "max_msg_fds": 16, ' +
  '"max_data_xfer_size": 1048576, "pgsizes": 4096, "max_dma_maps": 65535, "write_multiple": true}}';

function greeted(served: ServedEngine): VfioUserClient {
  const client = served.connect();
  const greeting = client.greet(JSON_OF_QEMU);
  assert.equal(greeting.error, 0);
  assert(greeting.payload.length + 16 <= 214);
  return client;
}

test("all of configuration space is read at once, and says what the function is", onLinux, () => {
  const client = greeted(new ServedEngine());
  const { payload } = client.readRegion(7, 0, 256);
  const expected = annotatedHex(`
    3412 7856          vendor, device
    0000 1000          command, status: a list of capabilities
    9a f0debc          revision, class
    00 00 00 00        cache line, latency, header type 0, self test
    04000000 00000000  BAR 0, of 64 bits
    00000000           BAR 2, of 32 bits
    00000000 00000000 00000000
    00000000           no CardBus
    1211 1413          subsystem
    00000000           no ROM
    90000000 00000000  capabilities
    00 00 00 00        no interrupt pin
  `);
  assert.equal(toHex(payload.subarray(16, 16 + 64)), toHex(expected));
  assert.equal(payload[16 + 0x60], 0x30);
  const msix = "11000200 02000000 02100000".replaceAll(" ", "");
  assert.equal(toHex(payload.subarray(16 + 0x90, 16 + 0x9c)), msix);
  client.close();
});

test("errors are a vector that is refused, so that it does not warn", onLinux, () => {
  const client = greeted(new ServedEngine());
  const question = IrqInfo.encode({ argsz: 16, flags: 0, index: 3, count: 0 });
  const { error, payload } = client.ask(Command.DEVICE_GET_IRQ_INFO, question, 32);
  assert.deepEqual([error, payload.length], [22, 16]);
  client.close();
});

function map(address: number, length: number, offset: number, flags: number): Uint8Array {
  return DmaMap.encode({ argsz: 32, flags, offset, address, length });
}

test(
  "maps that are pipelined are answered in order, and descriptors are those of their message",
  onLinux,
  () => {
    const served = new ServedEngine();
    const client = greeted(served);
    client.poke(7, 4, 2, 6);
    const memory = new ClientMemory(4 * MIB);
    const before = openDescriptors();
    client.send(Command.DMA_MAP, map(0, 0xc0000, 0, 3), { fds: [memory.fd] });
    client.send(Command.DMA_MAP, map(0xc0000, 0x8000, 0, 1));
    client.send(Command.DMA_MAP, map(0x100000, 3 * MIB, MIB, 3), { fds: [memory.fd] });
    const replies = client.read(3 * 16);
    assert.deepEqual(
      [0, 16, 32].map((at) => [replies[at]! - replies[0]!, replies[at + 8], replies[at + 12]]),
      [
        [0, 1, 0],
        [1, 1, 0],
        [2, 1, 0],
      ],
    );
    memory.bytes(MIB + 16, 4).set([9, 8, 7, 6]);
    assert.equal(copy(client, 0x100010, 0x1000, 4), 1);
    assert.deepEqual([...memory.bytes(0x1000, 4)], [9, 8, 7, 6]);
    // Memory without a descriptor is there, and out of reach; between mappings there is nothing; no range leaves its mapping.
    for (const from of [0xc0000, 0xc8000, 0xbfffe]) assert.equal(copy(client, from, 0x1000, 4), 2);
    assert.equal(openDescriptors(), before);
    client.close();
    memory.close();
  },
);

test("what is mapped to be read cannot be written, with a descriptor of either kind", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const memory = new ClientMemory(MIB);
  const readOnly = openSync(`/proc/self/fd/${memory.fd}`, "r");
  assert.equal(client.map(0, 0x10000, { fd: memory.fd }), 0);
  assert.equal(client.map(0x10000, 0x10000, { fd: memory.fd, offset: 0x10000, flags: 1 }), 0);
  assert.equal(client.map(0x20000, 0x10000, { fd: readOnly, offset: 0x20000, flags: 1 }), 0);
  assert.equal(client.map(0x30000, 0x10000, { fd: readOnly, offset: 0x30000 }), 13);
  memory.bytes(0x20000, 1)[0] = 5;
  assert.equal(copy(client, 0x20000, 0, 1), 1);
  assert.equal(memory.bytes(0, 1)[0], 5);
  assert.equal(copy(client, 0, 0x10000, 1), 2);
  assert.equal(copy(client, 0, 0x20000, 1), 2);
  client.close();
  closeSync(readOnly);
  memory.close();
});

test("a range that is unmapped is gone at once, for what is still under way, too", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const memory = new ClientMemory(MIB);
  assert.equal(client.map(0x100000, 0x100000, { fd: memory.fd }), 0);
  const generation = served.memory.generation;
  const pending = served.memory.view(0x100000, 64, true)!;
  assert.equal(client.unmap(0x100000, 0x80000), 2);
  assert.equal(client.unmap(0x101000, 0xff000), 2);
  const { payload, error } = client.ask(
    Command.DMA_UNMAP,
    DmaUnmap.encode({ argsz: 24, flags: 0, address: 0x100000, length: 0x100000 }),
    40,
  );
  assert.equal(error, 0);
  assert.deepEqual(DmaUnmap.decode(payload), { argsz: 24, flags: 0, address: 0x100000, length: 0x100000 });
  assert.notEqual(served.memory.generation, generation);
  pending.fill(0xee);
  assert.deepEqual([...memory.bytes(0, 4)], [0, 0, 0, 0]);
  assert.equal(copy(client, 0x100000, 0x100000, 1), 2);
  assert.equal(client.map(0x100000, 0x100000, { fd: memory.fd }), 0);
  assert.equal(client.map(0x300000, 0x1000), 0);
  assert.equal(client.unmap(0, 0, 4), 0);
  assert.equal(served.memory.count, 0);
  client.close();
  memory.close();
});

test("posted writes are not answered, in whatever number, and a read behind them sees them", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  for (let i = 0; i < 5000; i++) client.post(0, SCRATCH + 4 * (i % 64), 4, i);
  assert.equal(client.peek(0, SCRATCH, 4), 4992);
  assert.equal(client.peek(0, SCRATCH + 4 * 7, 4), 4999);
  client.silent();
  // Not even when they fail.
  client.post(1, 0, 4, 1);
  client.post(0, 0xffe, 4, 1);
  client.send(99, new Uint8Array(0), { flags: 0x10 });
  client.silent();
  client.close();
});

test("registers are read and written by 1 to 8 bytes, in aligned pieces", onLinux, () => {
  const client = new ServedEngine().greeted();
  client.poke(0, SCRATCH, 8, 0x0007060504030201);
  assert.equal(client.peek(0, SCRATCH + 4, 4), 0x00070605);
  for (let at = 0; at < 8; at++) {
    for (let count = 0; count + at <= 8; count++) {
      const { payload } = client.readRegion(0, SCRATCH + at, count);
      assert.deepEqual([...payload.subarray(16)], [1, 2, 3, 4, 5, 6, 7, 0].slice(at, at + count));
    }
  }
  client.poke(0, SCRATCH + 1, 5, 0xeeddccbbaa);
  const { payload } = client.readRegion(0, SCRATCH, 8);
  assert.equal(toHex(payload.subarray(16)), "01aabbccddee0700");
  client.close();
});

function single(offset: number, value: number): Uint8Array {
  const write = new Uint8Array(24);
  write.set(writeOf(0, offset, 4, value));
  return write;
}

test("many writes in one message are made in order", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const memory = new ClientMemory(MIB);
  assert.equal(client.map(0, MIB, { fd: memory.fd }), 0);
  const writes = [single(SOURCE, 0x1000), single(TARGET, 0x2000), single(LENGTH, 4), single(START, 0)];
  const payload = bytesOf(WriteMulti.encode({ wr_cnt: writes.length }), ...writes);
  client.send(Command.REGION_WRITE_MULTI, payload, { flags: 0x10 });
  assert.equal(client.peek(0, RESULT, 4), 0);
  assert.equal(client.peek(0, RESULT, 4), 1);
  const { payload: done } = client.ask(Command.REGION_WRITE_MULTI, payload, 24);
  assert.equal(WriteMulti.wr_cnt(done, 0), 4);
  const bad = bytesOf(
    WriteMulti.encode({ wr_cnt: 3 }),
    single(SOURCE, 1),
    single(0x1000, 1),
    single(SOURCE, 2),
  );
  const { error, payload: half } = client.ask(Command.REGION_WRITE_MULTI, bad, 24);
  assert.deepEqual([error, WriteMulti.wr_cnt(half, 0)], [22, 1]);
  client.close();
  memory.close();
});

function answer(id: number): string {
  return `0${id}0009002400000001000000000000000000000000000000070000000400000034127856`;
}

test("a message may come in any pieces, and several in one", onLinux, () => {
  const client = greeted(new ServedEngine());
  const read = RegionAccess.encode({ offset: 0, region: 7, count: 4 });
  const messages = bytesOf(messageOf(1, 9, read), messageOf(2, 9, read), messageOf(3, 9, read));
  for (let cut = 1; cut < messages.length; cut++) {
    client.sendBytes(messages.subarray(0, cut));
    const whole = Math.floor(cut / 32);
    const first = toHex(client.read(whole * 36));
    client.sendBytes(messages.subarray(cut));
    assert.equal(first + toHex(client.read((3 - whole) * 36)), [1, 2, 3].map(answer).join(""));
  }
  client.close();
});

test("MSI-X: enabled without events, with them, one taken away, all disabled", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const [one, other] = [new ClientEvent(), new ClientEvent()];
  const pending = (): number => client.peek(2, 0x1000, 8);
  client.poke(7, 0x92, 2, 0xc000);
  assert.equal(client.peek(7, 0x92, 2), 0xc002);
  assert.equal(client.setIrqs(0x24, 0, 1), 0);
  copy(client, 0, 0, 1, 0);
  assert.equal(pending(), 1);
  client.poke(7, 0x92, 2, 0x8000);
  assert.equal(client.setIrqs(0x21, 0, 0), 0);
  assert.equal(client.setIrqs(0x24, 0, 2, { fds: [one.fd, other.fd] }), 0);
  // What was pending is delivered as soon as it can be.
  assert.deepEqual([one.count, other.count, pending()], [1, 0, 0]);
  copy(client, 0, 0, 1, 1);
  assert.deepEqual([one.count, other.count], [1, 1]);
  assert.equal(client.setIrqs(0x24, 1, 1), 0);
  copy(client, 0, 0, 1, 1);
  assert.deepEqual([one.count, other.count, pending()], [1, 1, 2]);
  assert.equal(client.setIrqs(0x24, 1, 1, { fds: [one.fd] }), 0);
  assert.deepEqual([one.count, other.count, pending()], [2, 1, 0]);
  // Masked and unmasked; fired by the client itself.
  assert.equal(client.setIrqs(0x09, 0, 1), 0);
  copy(client, 0, 0, 1, 0);
  assert.deepEqual([one.count, pending()], [2, 1]);
  assert.equal(client.setIrqs(0x12, 0, 2, { data: Uint8Array.of(1, 0) }), 0);
  assert.deepEqual([one.count, pending()], [3, 0]);
  assert.equal(client.setIrqs(0x22, 0, 2, { data: Uint8Array.of(0, 1) }), 0);
  assert.equal(one.count, 4);
  assert.equal(client.setIrqs(0x21, 0, 0), 0);
  copy(client, 0, 0, 1, 0);
  assert.deepEqual([one.count, pending()], [4, 1]);
  // The end of INTx, which there is not.
  assert.equal(client.setIrqs(0x21, 0, 0, { index: 0 }), 0);
  client.close();
  one.close();
  other.close();
});

test(
  "a reset is that of the function: addresses and registers are gone, memory and events stay",
  onLinux,
  () => {
    const served = new ServedEngine();
    const client = served.greeted();
    const memory = new ClientMemory(MIB);
    const event = new ClientEvent();
    assert.equal(client.map(0, MIB, { fd: memory.fd }), 0);
    assert.equal(client.setIrqs(0x24, 0, 1, { fds: [event.fd] }), 0);
    client.poke(7, 0x10, 4, 0xfe000000);
    client.poke(0, SCRATCH, 4, 7);
    assert.equal(client.ask(Command.DEVICE_RESET, new Uint8Array(0), 16).error, 0);
    assert.equal(client.peek(7, 4, 2), 0);
    assert.equal(client.peek(7, 0x10, 4), 4);
    assert.equal(client.peek(0, SCRATCH, 4), 0);
    // Without bus master there is no memory.
    const changes = served.engine.changes;
    assert.equal(copy(client, 0, 0x1000, 1), 2);
    client.poke(7, 4, 2, 6);
    assert.equal(served.engine.changes, changes + 1);
    assert.equal(copy(client, 0, 0x1000, 1), 1);
    assert.equal(event.count, 2);
    client.close();
    memory.close();
    event.close();
  },
);
