import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import type { PollLoop } from "../../src/daemon/data-plane/poll-loop.ts";
import { receiveDescriptors, sendDescriptors } from "../../src/linux/descriptor-passing.ts";
import { StreamSockets, WOULD_BLOCK } from "../../src/linux/stream-socket.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { Command, DmaMap, DmaUnmap, Header, RegionAccess, SetIrqs } from "../../src/vfio-user/messages.ts";
import { LENGTH, RESULT, SOURCE, START, TARGET } from "./copy-engine.ts";

export interface Reply {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly error: number;
  /** Behind the header. */
  readonly payload: Uint8Array;
}

/** The answer to VERSION. */
export const GREETING_BYTES = 141;

const NO_REPLY = 0x10;
/** Of a millisecond; the server may be a process that has no processor at the moment. */
const TURNS = 10_000;

/**
 * A client in the habit of Cloud Hypervisor: one request at a time, of which it reads as many bytes as a success has, whatever the
 * header says. Nothing else may arrive. The loop is that of the server.
 */
export class VfioUserClient {
  readonly #fd: number;
  readonly #loop: PollLoop;
  readonly #sockets: StreamSockets;
  #id = 0;

  /** Owns the descriptor. */
  constructor(fd: number, loop: PollLoop) {
    const sockets = StreamSockets.open();
    assert(!(sockets instanceof SystemError));
    this.#fd = fd;
    this.#loop = loop;
    this.#sockets = sockets;
  }

  greet(json = '{"capabilities":{"max_msg_fds":1}}'): Reply {
    const text = new TextEncoder().encode(`${json}\0`);
    this.send(Command.VERSION, bytesOf([0, 0, 1, 0], text));
    // It reads a fixed part, and as much as the header says.
    const head = this.read(20);
    return replyOf(bytesOf(head, this.read(Header.message_size(head, 0) - 20)));
  }

  /** Sends a request and reads `replyBytes`, of which there are exactly as many. */
  ask(command: number, payload: Uint8Array, replyBytes: number, fds: readonly number[] = []): Reply {
    const id = this.send(command, payload, { fds });
    const reply = replyOf(this.read(replyBytes));
    assert.deepEqual([reply.id, reply.command], [id, command]);
    this.silent();
    return reply;
  }

  map(
    address: number,
    length: number,
    options: { fd?: number; offset?: number; flags?: number } = {},
  ): number {
    const { fd, offset = 0, flags = 3 } = options;
    const payload = DmaMap.encode({ argsz: 32, flags, offset, address, length });
    return this.ask(Command.DMA_MAP, payload, 16, fd === undefined ? [] : [fd]).error;
  }

  unmap(address: number, length: number, flags = 0): number {
    const payload = DmaUnmap.encode({ argsz: 24, flags, address, length });
    return this.ask(Command.DMA_UNMAP, payload, 40).error;
  }

  setIrqs(
    flags: number,
    start: number,
    count: number,
    options: { fds?: readonly number[]; index?: number; data?: Uint8Array } = {},
  ): number {
    const { fds = [], index = 2, data = new Uint8Array(0) } = options;
    const payload = SetIrqs.encode({ argsz: 20 + data.length, flags, index, start, count });
    return this.ask(Command.DEVICE_SET_IRQS, bytesOf(payload, data), 16, fds).error;
  }

  readRegion(region: number, offset: number, count: number): Reply {
    const payload = RegionAccess.encode({ offset, region, count });
    return this.ask(Command.REGION_READ, payload, 32 + count);
  }

  /** The bytes of a region as a number. */
  peek(region: number, offset: number, count: number): number {
    const { payload, error } = this.readRegion(region, offset, count);
    assert.equal(error, 0);
    return payload.subarray(16).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  poke(region: number, offset: number, count: number, value: number): void {
    const payload = writeOf(region, offset, count, value);
    assert.equal(this.ask(Command.REGION_WRITE, payload, 32).error, 0);
  }

  /** As QEMU writes to registers: nothing is answered. */
  post(region: number, offset: number, count: number, value: number): void {
    this.send(Command.REGION_WRITE, writeOf(region, offset, count, value), { flags: NO_REPLY });
  }

  /** The message is one call of the system, descriptors with its first byte. */
  send(
    command: number,
    payload: Uint8Array,
    options: { fds?: readonly number[]; flags?: number } = {},
  ): number {
    const id = this.#id++ & 0xffff;
    this.sendBytes(messageOf(id, command, payload, options.flags ?? 0), options.fds ?? []);
    return id;
  }

  sendBytes(bytes: Uint8Array, fds: readonly number[] = []): void {
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.subarray(at);
      const sent =
        at === 0 && fds.length > 0
          ? sendDescriptors(this.#fd, rest, fds)
          : this.#sockets.send(this.#fd, [rest], 0, 0);
      assert(!(sent instanceof SystemError));
      if (sent === WOULD_BLOCK) this.#loop.turn(10);
      else at += sent;
    }
  }

  /** So many bytes, no more and no less; fewer only if the server has closed. */
  read(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let turns = 0; at < length && turns < TURNS; turns++) {
      this.#loop.turn(at === 0 && turns === 0 ? 0 : 1);
      const got = receiveDescriptors(this.#fd, bytes.subarray(at), 1);
      assert(!(got instanceof SystemError));
      if (got === WOULD_BLOCK) continue;
      assert.deepEqual(got.fds, []);
      if (got.length === 0) return bytes.subarray(0, at);
      at += got.length;
      turns = 0;
    }
    assert.equal(at, length, "the reply is shorter than what a client waits for");
    return bytes;
  }

  /** Nothing has arrived that nobody has asked for. */
  silent(): void {
    this.#loop.turn(0);
    assert.equal(receiveDescriptors(this.#fd, new Uint8Array(16), 1), WOULD_BLOCK);
  }

  /** Whether the server has closed. */
  isOver(): boolean {
    for (let turns = 0; turns < TURNS; turns++) {
      this.#loop.turn(1);
      const got = receiveDescriptors(this.#fd, new Uint8Array(64), 1);
      if (got instanceof SystemError || (got !== WOULD_BLOCK && got.length === 0)) return true;
    }
    return false;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function messageOf(id: number, command: number, payload: Uint8Array, flags = 0): Uint8Array {
  const header = { message_id: id, command, message_size: 16 + payload.length, flags, error: 0 };
  return bytesOf(Header.encode(header), payload);
}

export function writeOf(region: number, offset: number, count: number, value: number): Uint8Array {
  const data = Uint8Array.from({ length: count }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
  return bytesOf(RegionAccess.encode({ offset, region, count }), data);
}

export function bytesOf(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

function replyOf(bytes: Uint8Array): Reply {
  assert.equal(Header.message_size(bytes, 0), bytes.length, "the header tells of another length");
  return {
    id: Header.message_id(bytes, 0),
    command: Header.command(bytes, 0),
    flags: Header.flags(bytes, 0),
    error: Header.error(bytes, 0),
    payload: bytes.slice(16),
  };
}

/** Has a copy engine copy; tells its result. */
export function copy(client: VfioUserClient, from: number, to: number, length: number, vector = 0): number {
  client.poke(0, SOURCE, 4, from % 2 ** 32);
  client.poke(0, SOURCE + 4, 4, Math.floor(from / 2 ** 32));
  client.poke(0, TARGET, 8, to);
  client.poke(0, LENGTH, 4, length);
  client.poke(0, START, 4, vector);
  return client.peek(0, RESULT, 4);
}
