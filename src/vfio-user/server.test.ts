import assert from "node:assert/strict";
import { test } from "node:test";
import { SCRATCH } from "../../test/support/copy-engine.ts";
import { onLinux } from "../../test/support/poll-loop.ts";
import { bytesOf, GREETING_BYTES, messageOf } from "../../test/support/vfio-user-client.ts";
import {
  ClientEvent,
  ClientMemory,
  openDescriptors,
  ServedEngine,
} from "../../test/support/vfio-user-served.ts";
import { Command, DmaMap, RegionAccess, SetIrqs, Version } from "./messages.ts";

test("a second client waits until the first is gone, and a third is sent away", onLinux, () => {
  const served = new ServedEngine();
  const first = served.greeted();
  const second = served.connect();
  second.send(Command.VERSION, Version.encode({ major: 0, minor: 0 }));
  second.silent();
  const third = served.connect();
  assert(third.isOver());
  assert.equal(served.refused, 1);
  first.poke(0, SCRATCH, 4, 5);
  first.close();
  assert.equal(second.read(GREETING_BYTES)[0], 0);
  assert.equal(second.peek(0, SCRATCH, 4), 0);
  second.close();
  served.loop.turn(1);
  assert.equal(served.server.isConnected, false);
});

test("from a client that does not read its answers nothing more is read", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  // 4 KiB for 32 bytes: more than any socket keeps.
  const ask = RegionAccess.encode({ offset: 0, region: 0, count: 0x1000 });
  const asked = 1000;
  const flood = bytesOf(...Array.from({ length: asked }, (_, id) => messageOf(id, Command.REGION_READ, ask)));
  client.sendBytes(flood);
  for (let turns = 0; turns < 200; turns++) served.loop.turn(0);
  let answered = 0;
  for (; answered < asked; answered++) {
    const reply = client.read(32 + 0x1000);
    assert.equal(reply[0]! + 256 * reply[1]!, answered);
  }
  client.silent();
  assert.equal(client.peek(7, 0, 2), 0x1234);
  client.close();
});

test("a client may go at any byte: its memory, events and descriptors go, too", onLinux, () => {
  const served = new ServedEngine();
  const memory = new ClientMemory(0x10000);
  const event = new ClientEvent();
  const life = [
    { bytes: messageOf(0, Command.VERSION, Uint8Array.of(0, 0, 0, 0, 0)), fds: [] },
    {
      bytes: messageOf(
        1,
        Command.DMA_MAP,
        DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: 0, length: 0x10000 }),
      ),
      fds: [memory.fd],
    },
    {
      bytes: messageOf(
        2,
        Command.DEVICE_SET_IRQS,
        SetIrqs.encode({ argsz: 20, flags: 0x24, index: 2, start: 0, count: 1 }),
      ),
      fds: [event.fd],
    },
  ];
  const before = openDescriptors();
  for (const [last, { bytes, fds }] of life.entries()) {
    for (let cut = 1; cut <= bytes.length; cut++) {
      const client = served.connect();
      for (const whole of life.slice(0, last)) client.sendBytes(whole.bytes, whole.fds);
      client.sendBytes(bytes.subarray(0, cut), fds);
      served.loop.turn(1);
      client.close();
      for (let turns = 0; served.server.isConnected && turns < 9; turns++) served.loop.turn(1);
      assert.deepEqual([served.server.isConnected, served.memory.count], [false, 0]);
      assert.equal(openDescriptors(), before);
    }
  }
  memory.close();
  event.close();
});

test("a server that closes ends the connection, and whoever waits", onLinux, () => {
  const served = new ServedEngine();
  const before = openDescriptors();
  const [first, second] = [served.greeted(), served.connect()];
  served.server.close();
  assert(first.isOver() && second.isOver());
  assert.equal(served.ends.length, 0);
  assert.equal(served.engine.resets, 1);
  first.close();
  second.close();
  assert.equal(openDescriptors(), before);
});
