import { closeSync } from "node:fs";
import { Arena } from "../linux/arena.ts";
import { receiveDescriptors, sendDescriptors } from "../linux/descriptor-passing.ts";
import { watch } from "../linux/descriptor-watch.ts";
import { createMemoryFile, sealedLength } from "../linux/memory-file.ts";
import { WOULD_BLOCK } from "../linux/stream-socket.ts";
import { SystemError } from "../linux/system-error.ts";
import { connectUnix } from "../linux/unix-socket.ts";
import { printAddress, type RingAddress } from "./address.ts";
import { encodeHandover, HANDOVER_BYTES, readHandover } from "./handover.ts";
import type { Link, LinkLimits } from "./link.ts";
import { LinkError, linkError } from "./link-error.ts";
import type { Listener } from "./listener.ts";
import { MovableLink } from "./movable-link.ts";
import { RingLink } from "./ring-link.ts";
import { adopt } from "./stream-handle.ts";
import { listenUnix } from "./unix.ts";

export interface RingOffer {
  /** Of the memory that each guest gets. */
  readonly bytes: number;
  /** Guests at a time; others are sent away without a word. */
  readonly guests: number;
  /** A guest has come, and has not got its memory yet: what is written there now, it finds. */
  accept(ring: RingLink): void;
  /** A guest was sent away, since there are too many or there is no memory for it. */
  turnedAway(why: string): void;
}

/** Listens for guests of this machine, and hands over fresh memory to each of them (memfd_create(2), SCM_RIGHTS). */
export async function listenRing(
  address: RingAddress,
  offer: RingOffer,
  limits: LinkLimits,
): Promise<Listener> {
  let guests = 0;
  const welcome = (link: Link): void => {
    if (guests >= offer.guests) {
      link.destroy();
      offer.turnedAway(`there are ${guests} guests, as many as may be`);
      return;
    }
    const made = makeMemory(offer.bytes);
    if (made instanceof SystemError) {
      link.destroy();
      offer.turnedAway(made.message);
      return;
    }
    const { fd, memory } = made;
    guests++;
    const ring = new RingLink(link.peer, memory, link, () => {
      guests--;
    });
    offer.accept(ring);
    const refused = handOver(ring, fd, offer.bytes);
    closeSync(fd);
    // Nobody has started it: whoever accepted it hears of the end when it does.
    if (refused !== undefined) link.destroy();
  };
  const place = { kind: "unix", path: address.path } as const;
  const listener = await listenUnix(place, welcome, limits, printAddress(address));
  return { address, close: () => listener.close() };
}

function makeMemory(bytes: number): { readonly fd: number; readonly memory: Arena } | SystemError {
  const fd = createMemoryFile("usbferry ring", bytes);
  if (fd instanceof SystemError) return fd;
  const memory = Arena.of(fd, bytes);
  if (memory instanceof Arena) return { fd, memory };
  closeSync(fd);
  return memory;
}

/** The first bytes on a fresh connection, which takes them whole or is broken. */
function handOver(ring: RingLink, fd: number, bytes: number): string | undefined {
  const { descriptor } = ring;
  if (descriptor === undefined) return "the guest is gone";
  const sent = sendDescriptors(descriptor, encodeHandover(bytes), [fd]);
  return sent === HANDOVER_BYTES ? undefined : "the guest does not take its memory";
}

/** Connects and maps what the host hands over; rejects with a LinkError. */
export async function dialRing(address: RingAddress, limits: LinkLimits): Promise<RingLink> {
  const fd = connectUnix(address.path);
  if (fd instanceof SystemError) throw linkError("dial", printAddress(address), fd);
  const taken = await takeHandover(fd, limits.dialMs);
  if (taken instanceof Arena) {
    const peer = printAddress(address);
    return new RingLink(peer, taken, new MovableLink(peer, (onread) => adopt(fd, onread)));
  }
  closeSync(fd);
  if (taken instanceof SystemError) throw linkError("dial", printAddress(address), taken);
  const [code, next] =
    taken === SENT_AWAY
      ? ["ECONNREFUSED", "End another guest, or look at the log of the host."]
      : ["BAD_HANDOVER", "Check that a `usbferry serve` of this version listens there."];
  throw new LinkError(code, `cannot reach ${printAddress(address)}: ${taken} (${code}). ${next}`);
}

const ETIMEDOUT = 110;
const SENT_AWAY =
  "the host sent this guest away, since it has as many as it takes, or no memory for one more";

function takeHandover(fd: number, timeoutMs: number): Promise<Arena | SystemError | string> {
  return new Promise((resolve) => {
    const reader = new HandoverReader(fd);
    const settle = (taken: Arena | SystemError | string): void => {
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
  read(): Arena | SystemError | string | undefined {
    const room = this.#bytes.subarray(this.#length);
    const passed = receiveDescriptors(this.#fd, room, 1);
    if (passed === WOULD_BLOCK) return undefined;
    if (passed instanceof SystemError) return passed;
    const { length, fds } = passed;
    if (length === 0) return this.#length === 0 ? SENT_AWAY : "it closed in the middle of the hand-over";
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

  #map(): Arena | SystemError | string {
    const length = readHandover(this.#bytes);
    if (typeof length === "string") return length;
    if (this.#memory === undefined) return "it hands over no descriptor";
    const sealed = sealedLength(this.#memory);
    if (sealed instanceof SystemError) return `its memory cannot be trusted: ${sealed.message}`;
    if (sealed !== length) return `it tells of ${length} bytes of memory and hands over ${sealed}`;
    return Arena.of(this.#memory, length);
  }
}
