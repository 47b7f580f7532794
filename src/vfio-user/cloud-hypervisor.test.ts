/** The life of a device of Cloud Hypervisor (crate vfio_user), request by request, with the sizes of replies that it reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { copy, type VfioUserClient } from "../../test/support/vfio-user-client.ts";
import {
  ClientEvent,
  ClientMemory,
  openDescriptors,
  ServedEngine,
} from "../../test/support/vfio-user-served.ts";
import { Command, DeviceInfo, IrqInfo, RegionInfo } from "./messages.ts";

const GIB = 2 ** 30;

/** What it asks before the VM runs; `memory` has the bytes of the guest. */
function start(client: VfioUserClient, memory: number): void {
  const greeting = client.greet();
  assert.equal(greeting.error, 0);
  assert.deepEqual([...greeting.payload.subarray(0, 4)], [0, 0, 0, 0]);
  assert.equal(greeting.payload.at(-1), 0);
  const json = JSON.parse(new TextDecoder().decode(greeting.payload.subarray(4, -1))) as {
    capabilities: { max_msg_fds: number };
  };
  assert.equal(json.capabilities.max_msg_fds, 16);

  // Its argsz counts the header, too.
  const info = DeviceInfo.encode({ argsz: 32, flags: 0, num_regions: 0, num_irqs: 0 });
  assert.deepEqual(DeviceInfo.decode(client.ask(Command.DEVICE_GET_INFO, info, 32).payload), {
    argsz: 16,
    flags: 3,
    num_regions: 9,
    num_irqs: 5,
  });
  const lengths = Array.from({ length: 9 }, (_, index) => {
    const question = { argsz: 32, flags: 0, index, cap_offset: 0, length: 0, offset: 0 };
    const { payload } = client.ask(Command.DEVICE_GET_REGION_INFO, RegionInfo.encode(question), 48);
    assert.equal(RegionInfo.flags(payload, 0), RegionInfo.length(payload, 0) > 0 ? 3 : 0);
    return RegionInfo.length(payload, 0);
  });
  assert.deepEqual(lengths, [0x1000, 0, 0x2000, 0, 0, 0, 0, 256, 0]);
  const vectors = [0, 1, 2].map((index) => {
    const question = IrqInfo.encode({ argsz: 16, flags: 0, index, count: 0 });
    const { payload } = client.ask(Command.DEVICE_GET_IRQ_INFO, question, 32);
    return [IrqInfo.flags(payload, 0), IrqInfo.count(payload, 0)];
  });
  assert.deepEqual(vectors, [
    [0, 0],
    [0, 0],
    [9, 3],
  ]);

  assert.equal(client.peek(7, 0, 2), 0x1234);
  assert.equal(client.peek(7, 0x3d, 1), 0);
  const capability = client.peek(7, 0x34, 1);
  assert.equal(client.peek(7, capability, 1), 0x11);
  assert.equal(client.peek(7, capability + 1, 1), 0);
  assert.equal(client.peek(7, capability + 2, 2), 2);
  // The table has a page of BAR 2 for itself.
  assert.equal(client.peek(7, capability + 4, 4), 2);
  assert.equal(client.peek(7, capability + 8, 4), 0x1002);

  assert.equal(client.map(0, 3 * GIB, { fd: memory }), 0);
  assert.equal(client.map(4 * GIB, 3 * GIB, { fd: memory, offset: 3 * GIB }), 0);
  for (const [at, size] of [
    [0x10, 0xfffff004],
    [0x14, 0xffffffff],
    [0x18, 0xffffe000],
    [0x1c, 0],
    [0x30, 0],
  ] as const) {
    client.poke(7, at, 4, 0xffffffff);
    assert.equal(client.peek(7, at, 4), size);
    client.poke(7, at, 4, 0);
  }
}

test(
  "a VM starts, moves data beyond 4 GiB with interrupts, and starts anew over another connection",
  onLinux,
  () => {
    const served = new ServedEngine();
    const memory = new ClientMemory(6 * GIB);
    const events = [new ClientEvent(), new ClientEvent(), new ClientEvent()];
    const before = openDescriptors();
    for (let life = 1; life <= 3; life++) {
      const client = served.connect();
      start(client, memory.fd);
      client.poke(7, 4, 2, 6);
      assert.equal(client.setIrqs(0x24, 0, 3, { fds: events.map(({ fd }) => fd) }), 0);
      // The upper half of the file stands at 4 GiB.
      memory.bytes(5 * GIB, 4).set([1, 2, 3, life]);
      assert.equal(copy(client, 6 * GIB, 0x3000, 4, 1), 1);
      assert.deepEqual([...memory.bytes(0x3000, 4)], [1, 2, 3, life]);
      assert.deepEqual(
        events.map(({ count }) => count),
        [0, life, 0],
      );
      assert.equal(client.setIrqs(0x21, 0, 0), 0);
      // It does not take its memory back before it closes.
      client.close();
      served.loop.turn(0);
      assert.equal(served.memory.count, 0);
      assert.equal(openDescriptors(), before);
      assert.equal(served.engine.resets, life);
    }
    assert.deepEqual(served.ends, [undefined, undefined, undefined]);
    for (const event of events) event.close();
    memory.close();
  },
);
