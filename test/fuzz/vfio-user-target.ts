import { closeSync } from "node:fs";
import { EventDescriptor } from "../../src/linux/event-descriptor.ts";
import { createMemoryFile } from "../../src/linux/memory-file.ts";
import { duplicate } from "../../src/linux/stream-socket.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { DmaTable } from "../../src/vfio-user/dma-table.ts";
import { MessageReader } from "../../src/vfio-user/message-reader.ts";
import {
  Command,
  DATA_MAX,
  DmaMap,
  DmaUnmap,
  Header,
  IrqInfo,
  RegionAccess,
  RegionInfo,
  SetIrqs,
  WriteMulti,
} from "../../src/vfio-user/messages.ts";
import { MsixVectors } from "../../src/vfio-user/msix-vectors.ts";
import { PciFunction } from "../../src/vfio-user/pci-function.ts";
import { Session } from "../../src/vfio-user/session.ts";
import type { ProtocolError } from "../../src/wire/protocol-error.ts";
import { CopyEngine, LENGTH, SOURCE, START, TARGET } from "../support/copy-engine.ts";
import { bytesOf, GREETING_BYTES, messageOf, writeOf } from "../support/vfio-user-client.ts";
import { joined, mutateBytes, oddNumber, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { cut, requireSame, type Target } from "./target.ts";

const MIB = 2 ** 20;
const NO_REPLY = 0x10;

/** What passed descriptors are duplicates of: 4 MiB of memory, and an event. */
let passable: readonly number[] | undefined;

/** A VM's life; a message with descriptors has `with` many of one kind. */
const LIFE: readonly Uint8Array[] = [
  messageOf(0, Command.VERSION, bytesOf([0, 0, 1, 0], new TextEncoder().encode("{}\0"))),
  map(0, MIB, 0, 3),
  map(MIB, MIB, 2 * MIB, 1),
  messageOf(3, Command.DEVICE_GET_INFO, new Uint8Array(16)),
  messageOf(
    4,
    Command.DEVICE_GET_REGION_INFO,
    RegionInfo.encode({ argsz: 32, flags: 0, index: 7, cap_offset: 0, length: 0, offset: 0 }),
  ),
  messageOf(5, Command.DEVICE_GET_IRQ_INFO, IrqInfo.encode({ argsz: 16, flags: 0, index: 2, count: 0 })),
  messageOf(
    6,
    Command.DEVICE_SET_IRQS,
    SetIrqs.encode({ argsz: 20, flags: 0x24, index: 2, start: 0, count: 2 }),
  ),
  write(7, 4, 2, 6, 0),
  write(0, SOURCE, 8, 4096, NO_REPLY),
  write(0, TARGET, 8, 8192, NO_REPLY),
  write(0, LENGTH, 4, 64, NO_REPLY),
  write(0, START, 4, 1, NO_REPLY),
  messageOf(12, Command.REGION_READ, RegionAccess.encode({ offset: 0x18, region: 0, count: 4 })),
  messageOf(
    13,
    Command.REGION_WRITE_MULTI,
    bytesOf(WriteMulti.encode({ wr_cnt: 2 }), writeOf(0, 0, 4, 1), new Uint8Array(4), writeOf(0, 8, 8, 1)),
  ),
  messageOf(
    14,
    Command.DEVICE_SET_IRQS,
    bytesOf(SetIrqs.encode({ argsz: 20, flags: 0x12, index: 2, start: 0, count: 2 }), [1, 1]),
  ),
  messageOf(15, Command.DMA_UNMAP, DmaUnmap.encode({ argsz: 24, flags: 0, address: MIB, length: MIB })),
  messageOf(16, Command.DEVICE_RESET, new Uint8Array(0)),
];

function map(address: number, length: number, offset: number, flags: number): Uint8Array {
  return messageOf(1, Command.DMA_MAP, DmaMap.encode({ argsz: 32, flags, offset, address, length }));
}

function write(region: number, offset: number, count: number, value: number, flags: number): Uint8Array {
  return messageOf(2, Command.REGION_WRITE, writeOf(region, offset, count, value), flags);
}

/** Messages in another order, with odd numbers in their fields, as long as their headers say or not. */
function mutate(random: Random): Uint8Array {
  if (random.oneIn(8)) return mutateBytes(joined(LIFE), random, LIFE);
  const messages: Uint8Array[] = LIFE.map((message) => message.slice());
  for (let changes = random.below(4); changes > 0; changes--) {
    const index = random.below(messages.length);
    const message = messages[index]!;
    const payload = message.subarray(Header.size);
    if (random.oneIn(3)) {
      const changed = joined([message.subarray(0, Header.size), mutateBytes(payload, random, LIFE)]);
      Header.put.message_size(changed, 0, changed.length);
      messages[index] = changed;
    } else if (payload.length >= 4) {
      putField(payload, random.below(payload.length >> 2) * 4, 4, "little", oddNumber(random));
    }
    if (random.oneIn(8)) Header.put.command(messages[index]!, 0, random.below(20));
    if (random.oneIn(8))
      Header.put.flags(messages[index]!, 0, random.pick([0, NO_REPLY, 1, oddNumber(random)]));
  }
  if (random.oneIn(3)) messages.splice(1 + random.below(messages.length - 1), 1);
  if (random.oneIn(3)) messages.push(random.pick(messages));
  return joined(messages);
}

/** Bytes of the one reply that a client waits for. */
function replyBytes(message: Uint8Array): number {
  switch (Header.command(message, 0)) {
    case Command.VERSION:
      return GREETING_BYTES;
    case Command.DMA_UNMAP:
      return 40;
    case Command.DEVICE_GET_INFO:
    case Command.DEVICE_GET_IRQ_INFO:
    case Command.REGION_WRITE:
      return 32;
    case Command.DEVICE_GET_REGION_INFO:
      return 48;
    case Command.REGION_WRITE_MULTI:
      return 24;
    case Command.REGION_READ: {
      const count = message.length < 32 ? 0 : RegionAccess.count(message, Header.size);
      return 32 + (count > DATA_MAX ? 0 : count);
    }
    default:
      return 16;
  }
}

/** What a VMM says, with descriptors anywhere. */
export const vfioUserTarget: Target = {
  name: "VfioUserSession",
  corpus: [joined(LIFE)],
  mutant: mutate,
  judge(bytes, random) {
    passable ??= open();
    const lowest = duplicated(passable[0]!);
    closeSync(lowest);
    const soon: (() => void)[] = [];
    const memory = new DmaTable();
    const vectors = new MsixVectors(3);
    const engine = new CopyEngine(memory, vectors, (callback) => void soon.push(callback));
    const session = new Session(new PciFunction(engine, memory, vectors));
    const reader = new MessageReader();
    let wrong: ProtocolError | undefined;
    for (const piece of cut(bytes, random)) {
      reader.buffer.set(piece, reader.end);
      wrong = reader.arrived(piece.length, passedWith(piece, random)) ?? answerAll(reader, session);
      if (wrong !== undefined) break;
      reader.compact();
      for (const callback of soon.splice(0)) callback();
    }
    reader.close();
    session.end();
    for (const callback of soon.splice(0)) callback();
    requireSame(memory.count, 0, "maps behind the end");
    const next = duplicated(passable[0]!);
    closeSync(next);
    requireSame(next, lowest, "the lowest descriptor that is free");
    return wrong === undefined ? "value" : "error";
  },
};

function answerAll(reader: MessageReader, session: Session): ProtocolError | undefined {
  for (;;) {
    const size = reader.next();
    if (typeof size !== "number") return size;
    if (size === 0) return undefined;
    const message = reader.buffer.slice(reader.at, reader.at + size);
    const answered = session.handle(reader.buffer, reader.at, size, reader.takeDescriptors());
    reader.consume(size);
    if (typeof answered !== "number") return answered;
    judgeReply(message, session.reply, answered);
  }
}

function judgeReply(message: Uint8Array, reply: Uint8Array, length: number): void {
  if ((Header.flags(message, 0) & NO_REPLY) !== 0) {
    requireSame(length, 0, "an answer to what wants none");
    return;
  }
  requireSame(length, replyBytes(message), `bytes of the answer to ${Header.command(message, 0)}`);
  requireSame(Header.message_size(reply, 0), length, "bytes that the answer tells of");
  requireSame(Header.message_id(reply, 0), Header.message_id(message, 0), "its id");
  requireSame(Header.command(reply, 0), Header.command(message, 0), "its command");
  const error = Header.error(reply, 0);
  requireSame(Header.flags(reply, 0), error === 0 ? 1 : 0x21, "its flags");
}

/** As many as any message may have, of either kind, mostly with those that have use for them. */
function passedWith(piece: Uint8Array, random: Random): number[] {
  if (!random.oneIn(piece.length > 200 ? 1 : 4)) return [];
  const kind = random.pick(passable!);
  return Array.from({ length: random.pick([1, 1, 2, 3, 16]) }, () => duplicated(kind));
}

function duplicated(fd: number): number {
  const copy = duplicate(fd);
  if (copy instanceof SystemError) throw copy;
  return copy;
}

function open(): readonly number[] {
  const memory = createMemoryFile("usbferry fuzz", 4 * MIB);
  const event = EventDescriptor.open();
  if (memory instanceof SystemError) throw memory;
  if (event instanceof SystemError) throw event;
  return [memory, event.fd];
}
