import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { onLinux } from "../../test/support/poll-loop.ts";
import { GREETING_BYTES, messageOf, writeOf } from "../../test/support/vfio-user-client.ts";
import {
  ClientEvent,
  ClientMemory,
  openDescriptors,
  ServedEngine,
} from "../../test/support/vfio-user-served.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { MAPS_MAX } from "./dma-table.ts";
import {
  Command,
  DmaMap,
  DmaUnmap,
  IrqInfo,
  MESSAGE_MAX,
  RegionAccess,
  RegionInfo,
  SetIrqs,
} from "./messages.ts";

const EINVAL = 22;
const ENOTSUP = 95;
const NOTHING = new Uint8Array(0);

/** What cannot be answered, and how many bytes the client waits for nevertheless. */
const REFUSED: readonly (readonly [string, number, Uint8Array, number, number])[] = [
  ["VERSION once more", Command.VERSION, Uint8Array.of(0, 0, 0, 0), GREETING_BYTES, EINVAL],
  ["a map that is too short", Command.DMA_MAP, new Uint8Array(31), 16, EINVAL],
  [
    "a map of nothing",
    Command.DMA_MAP,
    DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: 0, length: 0 }),
    16,
    EINVAL,
  ],
  [
    "a map of half a page",
    Command.DMA_MAP,
    DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: 0, length: 2048 }),
    16,
    EINVAL,
  ],
  [
    "a map within a page",
    Command.DMA_MAP,
    DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: 2048, length: 4096 }),
    16,
    EINVAL,
  ],
  [
    "a map beyond 2^53",
    Command.DMA_MAP,
    DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: 2 ** 53, length: 4096 }),
    16,
    EINVAL,
  ],
  ["an end of a map that is too short", Command.DMA_UNMAP, new Uint8Array(23), 40, EINVAL],
  [
    "an end of what was never mapped",
    Command.DMA_UNMAP,
    DmaUnmap.encode({ argsz: 24, flags: 0, address: 4096, length: 4096 }),
    40,
    2,
  ],
  [
    "an end with a bitmap of dirty pages",
    Command.DMA_UNMAP,
    DmaUnmap.encode({ argsz: 24, flags: 2, address: 0, length: 4096 }),
    40,
    ENOTSUP,
  ],
  [
    "an end of all of one range",
    Command.DMA_UNMAP,
    DmaUnmap.encode({ argsz: 24, flags: 4, address: 0, length: 4096 }),
    40,
    EINVAL,
  ],
  [
    "a region that there is not",
    Command.DEVICE_GET_REGION_INFO,
    RegionInfo.encode({ argsz: 32, flags: 0, index: 9, cap_offset: 0, length: 0, offset: 0 }),
    48,
    EINVAL,
  ],
  ["half a question for a region", Command.DEVICE_GET_REGION_INFO, new Uint8Array(31), 48, EINVAL],
  [
    "interrupts that there are not",
    Command.DEVICE_GET_IRQ_INFO,
    IrqInfo.encode({ argsz: 16, flags: 0, index: 5, count: 0 }),
    32,
    EINVAL,
  ],
  ["half a question for interrupts", Command.DEVICE_GET_IRQ_INFO, new Uint8Array(15), 32, EINVAL],
  ["half a setting of interrupts", Command.DEVICE_SET_IRQS, new Uint8Array(19), 16, EINVAL],
  ...(
    [
      ["more vectors than there are", 0x24, 2, 2, 2],
      ["a vector far behind", 0x24, 2, 0xffffffff, 1],
      ["one of INTx", 0x24, 0, 0, 1],
      ["an index that there is not", 0x21, 5, 0, 0],
      ["no action", 0x01, 2, 0, 1],
      ["two actions", 0x31, 2, 0, 1],
      ["two kinds of data", 0x23, 2, 0, 1],
      ["no kind of data", 0x20, 2, 0, 1],
      ["events to mask by", 0x0c, 2, 0, 1],
      ["fewer bytes than vectors", 0x22, 2, 0, 1],
    ] as const
  ).map(
    ([name, flags, index, start, count]) =>
      [
        `interrupts: ${name}`,
        Command.DEVICE_SET_IRQS,
        SetIrqs.encode({ argsz: 20, flags, index, start, count }),
        16,
        EINVAL,
      ] as const,
  ),
  ["half a read", Command.REGION_READ, new Uint8Array(15), 32, EINVAL],
  ...(
    [
      ["behind a BAR", 0, 0xffd, 4],
      ["far behind a BAR", 0, 2 ** 60, 4],
      ["of a BAR that there is not", 1, 0, 4],
      ["behind configuration space", 7, 256, 1],
      ["of a region that there is not", 77, 0, 8],
    ] as const
  ).map(
    ([name, region, offset, count]) =>
      [
        `a read ${name}`,
        Command.REGION_READ,
        RegionAccess.encode({ offset, region, count }),
        32 + count,
        EINVAL,
      ] as const,
  ),
  [
    "a read of too much",
    Command.REGION_READ,
    RegionAccess.encode({ offset: 0, region: 0, count: 0xffffffff }),
    32,
    EINVAL,
  ],
  ["half a write", Command.REGION_WRITE, new Uint8Array(15), 32, EINVAL],
  ["a write without its data", Command.REGION_WRITE, writeOf(0, 0, 4, 0).subarray(0, 19), 32, EINVAL],
  ["a write behind a BAR", Command.REGION_WRITE, writeOf(0, 0x1000, 4, 0), 32, EINVAL],
  ["half of many writes", Command.REGION_WRITE_MULTI, new Uint8Array(7), 24, EINVAL],
  [
    "fewer writes than are told",
    Command.REGION_WRITE_MULTI,
    Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 2 : 0)),
    24,
    EINVAL,
  ],
  [
    "one of many that is too long",
    Command.REGION_WRITE_MULTI,
    Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : i === 20 ? 9 : 0)),
    24,
    EINVAL,
  ],
  ["descriptors of regions", Command.DEVICE_GET_REGION_IO_FDS, new Uint8Array(16), 16, ENOTSUP],
  ["DMA of the client", 11, new Uint8Array(16), 16, ENOTSUP],
  ["migration", 16, new Uint8Array(8), 16, ENOTSUP],
  ["nothing known", 0xffff, NOTHING, 16, ENOTSUP],
];

for (const [name, command, payload, bytes, errno] of REFUSED) {
  test(
    `${name} is refused with all bytes that are waited for, and the descriptors are closed`,
    onLinux,
    () => {
      const served = new ServedEngine();
      const client = served.greeted();
      const event = new ClientEvent();
      const before = openDescriptors();
      const { error, flags } = client.ask(command, payload, bytes, [event.fd, event.fd]);
      assert.deepEqual([error, flags], [errno, 0x21]);
      assert.equal(openDescriptors(), before);
      assert.equal(client.peek(7, 0, 4), 0x56781234);
      client.close();
      event.close();
    },
  );
}

test("a read of what is not there has ones for a client that looks at no error", onLinux, () => {
  const client = new ServedEngine().greeted();
  const { payload } = client.readRegion(3, 0, 8);
  assert.deepEqual([...payload.subarray(16)], [255, 255, 255, 255, 255, 255, 255, 255]);
  client.close();
});

test("a map must not overlap another one, nor leave its file, nor come with something else", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const memory = new ClientMemory(0x10000);
  assert.equal(client.map(0x10000, 0x10000, { fd: memory.fd }), 0);
  for (const [address, length] of [
    [0x10000, 0x10000],
    [0x1f000, 0x1000],
    [0xf000, 0x2000],
    [0, 0x100000],
    [0x18000, 0x1000],
  ] as const) {
    assert.equal(client.map(address, length), 17);
  }
  assert.equal(client.map(0x20000, 0x11000, { fd: memory.fd }), EINVAL);
  assert.equal(client.map(0x20000, 0x10000, { fd: memory.fd, offset: 0x1000 }), EINVAL);
  assert.equal(client.map(0x20000, 0x1000, { fd: memory.fd, offset: 0x800 }), EINVAL);
  assert.equal(client.map(0x20000, 0x1000, { fd: memory.fd, offset: 2 ** 60 }), EINVAL);
  const event = new ClientEvent();
  assert.equal(client.map(0x20000, 0x1000, { fd: event.fd }), 9);
  assert.equal(served.memory.count, 1);
  client.close();
  event.close();
  memory.close();
});

function pageAt(index: number): Uint8Array {
  return DmaMap.encode({ argsz: 32, flags: 3, offset: 0, address: index * 0x2000, length: 0x1000 });
}

test("maps have a limit", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  for (let index = 0; index < MAPS_MAX; index++) client.send(Command.DMA_MAP, pageAt(index), { flags: 0x10 });
  assert.equal(client.map(MAPS_MAX * 0x2000, 0x1000), 28);
  assert.equal(served.memory.count, MAPS_MAX);
  assert.equal(client.unmap(0, 0x1000), 0);
  assert.equal(client.map(MAPS_MAX * 0x2000, 0x1000), 0);
  client.close();
});

test("what is no event is refused, and assigns nothing", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const event = new ClientEvent();
  const file = openSync("/dev/null", "w");
  const before = openDescriptors();
  assert.equal(client.setIrqs(0x24, 0, 2, { fds: [event.fd, file] }), EINVAL);
  assert.equal(client.setIrqs(0x21, 0, 1), 0);
  assert.equal(event.count, 0);
  assert.equal(openDescriptors(), before);
  client.close();
  closeSync(file);
  event.close();
});

/** What ends a connection, and by which code. */
const BROKEN: readonly (readonly [string, Uint8Array, string])[] = [
  ["a message shorter than its header", messageOf(0, 9, NOTHING).fill(15, 4, 5), "BAD_LENGTH"],
  ["a message of no bytes", messageOf(0, 9, NOTHING).fill(0, 4, 5), "BAD_LENGTH"],
  ["a message of 4 GiB", messageOf(0, 9, NOTHING).fill(255, 4, 8), "BAD_LENGTH"],
  ["a message longer than any", messageOf(0, 10, new Uint8Array(MESSAGE_MAX - 15)), "BAD_LENGTH"],
  ["a reply to nothing", messageOf(0, 11, NOTHING, 1), "BAD_COMMAND"],
];

for (const [name, bytes, code] of BROKEN) {
  test(`${name} ends the connection`, onLinux, () => {
    const served = new ServedEngine();
    const client = served.greeted();
    client.sendBytes(bytes.subarray(0, 64));
    assert(client.isOver());
    const [end] = served.ends;
    assert(end instanceof ProtocolError);
    assert.equal(end.code, code);
    assert.equal(served.greeted().peek(7, 0, 2), 0x1234);
  });
}

test("before a version is agreed on, nothing else is spoken of", onLinux, () => {
  const served = new ServedEngine();
  const early = served.connect();
  early.send(Command.DEVICE_RESET, NOTHING);
  assert(early.isOver());
  const other = served.connect();
  const { error, payload } = other.ask(Command.VERSION, Uint8Array.of(1, 0, 0, 0, 0), GREETING_BYTES);
  assert.deepEqual([error, ...payload.subarray(0, 4)], [EINVAL, 0, 0, 0, 0]);
  assert.equal(other.greet().error, 0);
  other.close();
  const [end] = served.ends;
  assert(end instanceof ProtocolError);
  assert.equal(end.code, "BAD_COMMAND");
});

test("more descriptors than a message may have end the connection, and are closed", onLinux, () => {
  const served = new ServedEngine();
  const client = served.greeted();
  const event = new ClientEvent();
  const before = openDescriptors();
  const many = (count: number): number[] => Array.from({ length: count }, () => event.fd);
  client.sendBytes(messageOf(0, Command.DEVICE_SET_IRQS, NOTHING).subarray(0, 8), many(16));
  served.loop.turn(1);
  client.sendBytes(Uint8Array.of(0), many(1));
  assert(client.isOver());
  const other = served.greeted();
  other.sendBytes(messageOf(0, Command.DEVICE_SET_IRQS, NOTHING), many(17));
  assert(other.isOver());
  // One connection of two is gone, and its other end is the client's.
  assert.equal(openDescriptors(), before);
  assert.equal(served.ends.length, 2);
  client.close();
  other.close();
  event.close();
});
