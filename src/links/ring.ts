import { closeSync } from "node:fs";
import { Arena } from "../linux/arena.ts";
import { receiveDescriptors, sendDescriptors } from "../linux/descriptor-passing.ts";
import { watch } from "../linux/descriptor-watch.ts";
import { createMemoryFile, sealedLength } from "../linux/memory-file.ts";
import { StreamSockets, WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import { connectUnix } from "../linux/unix-socket.ts";
import { printAddress, type RingAddress } from "./address.ts";
import { encodeHandover, encodeRequest, HANDOVER_BYTES, readHandover } from "./handover.ts";
import type { Link, LinkLimits } from "./link.ts";
import { LinkError, linkError } from "./link-error.ts";
import { MovableLink } from "./movable-link.ts";
import { RingLink } from "./ring-link.ts";
import { adopt } from "./stream-handle.ts";

/**
 * Makes memory for the guest at the other end of a unix socket, on which nothing has been written yet, and hands it over
 * (memfd_create(2), SCM_RIGHTS). What `prepare` writes there, the guest finds. The caller frees it.
 */
export function handOver(
  link: Link,
  bytes: number,
  prepare: (memory: Arena) => void,
): Arena | SystemError | LinkError {
  const fd = createMemoryFile("usbferry ring", bytes);
  if (fd instanceof SystemError) return fd;
  const memory = Arena.of(fd, bytes);
  const failed = memory instanceof SystemError ? memory : give(link, fd, memory, prepare);
  closeSync(fd);
  if (failed === undefined) return memory;
  if (memory instanceof Arena) memory.free();
  return failed;
}

function give(
  link: Link,
  fd: number,
  memory: Arena,
  prepare: (memory: Arena) => void,
): SystemError | LinkError | undefined {
  const { descriptor } = link;
  if (descriptor === undefined) {
    return new LinkError("NO_DESCRIPTORS", `${link.peer} cannot be given memory: it is not a unix socket`);
  }
  prepare(memory);
  const sent = sendDescriptors(descriptor, encodeHandover(memory.bytes.length), [fd]);
  if (sent === HANDOVER_BYTES) return undefined;
  return sent instanceof SystemError
    ? sent
    : new LinkError("NOT_READ", `${link.peer} does not take its memory: look why it does not read`);
}

/** The host has that device not, or not for this guest: a status of USB/IP. */
export class RingRefusal {
  readonly status: number;

  constructor(status: number) {
    this.status = status;
  }
}

/** Asks for a device and maps what the host hands over; rejects with a LinkError. */
export async function dialRing(
  address: RingAddress,
  busid: string,
  limits: LinkLimits,
): Promise<RingLink | RingRefusal> {
  const peer = printAddress(address);
  const fd = connectUnix(address.path);
  if (fd instanceof SystemError) throw linkError("dial", peer, fd);
  const taken = ask(fd, busid) ?? (await takeHandover(fd, limits.dialMs));
  if (taken instanceof Arena) {
    return new RingLink(peer, taken, new MovableLink(peer, (onread) => adopt(fd, onread)));
  }
  closeSync(fd);
  if (taken instanceof RingRefusal) return taken;
  if (taken instanceof SystemError) throw linkError("dial", peer, taken);
  throw new LinkError(
    "BAD_HANDOVER",
    `cannot reach ${peer}: ${taken} (BAD_HANDOVER). Check that a \`usbferry serve\` of this version listens there.`,
  );
}

/** The first bytes on a fresh connection, which takes them whole or is broken. */
function ask(fd: number, busid: string): SystemError | string | undefined {
  const sockets = StreamSockets.open();
  if (sockets instanceof SystemError) return sockets;
  const request = encodeRequest(busid);
  const sent = sockets.send(fd, [request], 0, 0);
  if (sent instanceof SystemError) return sent;
  return sent === request.length ? undefined : "it takes no request";
}

const ETIMEDOUT = 110;

type Taken = Arena | RingRefusal | SystemError | string;

function takeHandover(fd: number, timeoutMs: number): Promise<Taken> {
  return new Promise((resolve) => {
    const reader = new HandoverReader(fd);
    const settle = (taken: Taken): void => {
      clearTimeout(timer);
      if (!(watching instanceof SystemError)) watching.cancel();
      reader.close();
      resolve(taken);
    };
    const timer = setTimeout(() => settle(new SystemError("waiting for memory", ETIMEDOUT)), timeoutMs);
    const watching = watch(fd, "readable", () => {
      const taken = reader.read();
      if (taken !== undefined) settle(taken);
    });
    if (watching instanceof SystemError) settle(watching);
  });
}

/** Reads no more than the hand-over: what follows is a wake-up, and for whoever reads the link. */
class HandoverReader {
  readonly #fd: number;
  readonly #bytes = new Uint8Array(HANDOVER_BYTES);
  #length = 0;
  #memory: number | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Nothing while it is not whole. */
  read(): Taken | undefined {
    const room = this.#bytes.subarray(this.#length);
    const passed = receiveDescriptors(this.#fd, room, 1);
    if (passed === WOULD_BLOCK) return undefined;
    if (passed instanceof SystemError) return passed;
    const { length, fds } = passed;
    if (length === 0) return "it closed before the hand-over was whole";
    const [fd] = fds;
    if (fd !== undefined && this.#memory !== undefined) {
      closeSync(fd);
      return "it hands over more than one descriptor";
    }
    this.#memory ??= fd;
    this.#length += length;
    return this.#length === HANDOVER_BYTES ? this.#map() : undefined;
  }

  close(): void {
    if (this.#memory !== undefined) closeSync(this.#memory);
    this.#memory = undefined;
  }

  #map(): Taken {
    const handover = readHandover(this.#bytes);
    if (typeof handover === "string") return handover;
    const { status, length } = handover;
    if (status !== 0) return new RingRefusal(status);
    if (this.#memory === undefined) return "it hands over no descriptor";
    const sealed = sealedLength(this.#memory);
    if (sealed instanceof SystemError) return `its memory cannot be trusted: ${sealed.message}`;
    if (sealed !== length) return `it tells of ${length} bytes of memory and hands over ${sealed}`;
    return Arena.of(this.#memory, length);
  }
}
