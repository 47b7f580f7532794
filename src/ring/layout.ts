/**
 * The map of the shared memory. Everything of USBWarp 1.0 stands where it stood; what version 1.1 adds stands in bytes
 * that 1.0 keeps reserved. All numbers are little-endian and aligned.
 */
import { ProtocolError } from "../wire/protocol-error.ts";
import type { RingMemory } from "./ring-memory.ts";

export const CONTROL_MAGIC = 0x56444855;
export const VERSION_MAJOR = 1;
export const VERSION_MINOR = 1;
/** major << 8 | minor, as messages carry it. */
export const RING_VERSION = (VERSION_MAJOR << 8) | VERSION_MINOR;

/** A message takes whole lines, so that its header never stands at both ends of a ring. */
export const LINE = 64;
export const PAGE = 4096;
export const CONTROL_BLOCK_SIZE = 4096;
export const RING_HEADER_SIZE = 192;

export const TOTAL_MIN = 4 << 20;
export const TOTAL_MAX = 256 << 20;
export const RING_DATA_MIN = 64 << 10;
export const RING_DATA_MAX = 4 << 20;
export const SLOT_MIN = 4 << 10;
export const SLOT_MAX = 1 << 20;
export const SLOTS_MIN = 4;
/** Of a ring this part may be one message, and 64 KiB at most. */
const MESSAGE_SHARE = 4;
const MESSAGE_MAX = 64 << 10;
/** What every consumer takes. */
const MESSAGE_MIN = 4096;

/** Places in the control block. */
export const Control = {
  magic: 0x00,
  /** Major in the lower half, minor in the upper one. */
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
  /** Written by the host alone. */
  host: 0x40,
  /** Written by the guest alone. */
  guest: 0x80,
} as const;

/** Places in the line of either side. From `epoch` on they are of version 1.1. */
export const Side = {
  /** Monotonic nanoseconds of that side, 64 bits. */
  heartbeat_ts: 0x00,
  state: 0x08,
  /** Counts the lives of this side: a new one for each session of the guest, and for each start of the host. */
  epoch: 0x0c,
  /** The epoch of the other side with which this one has, or wants, a session; 0: with none. */
  sees: 0x10,
  /** Counts up each time that this side wakes the other one, which may wait for a change of this word. */
  bell: 0x14,
  /** `EndReason` of the last session that this side ended. */
  end: 0x18,
} as const;

export const ControlFlag = { ISO: 1 << 0, DEBUG: 1 << 1 } as const;

/** host_state, guest_state. */
export const State = { INIT: 0, READY: 1, RUNNING: 2, SHUTTING_DOWN: 3, STOPPED: 4, ERROR: 5 } as const;

/** Places in the header of a ring. */
export const RingHeader = {
  producer_index: 0x00,
  producer_flags: 0x04,
  consumer_index: 0x40,
  consumer_flags: 0x44,
  data_size: 0x80,
  data_size_mask: 0x84,
  max_message_size: 0x88,
} as const;

/** producer_flags, consumer_flags: set by a side that is awake and looks by itself. */
export const NO_NOTIFY = 1 << 0;

/** Where one ring is. */
export interface RingPlace {
  /** Of its header. */
  readonly offset: number;
  /** Of its data, which stand behind the header. */
  readonly dataSize: number;
}

/** Where everything is. A private copy: what stands in the memory is read once and never again. */
export interface Layout {
  readonly total: number;
  readonly g2h: RingPlace;
  readonly h2g: RingPlace;
  readonly dataOffset: number;
  readonly dataSize: number;
  readonly slotSize: number;
  readonly slotCount: number;
  /** Most bytes of one message. */
  readonly messageMax: number;
}

/** How large the parts are to be. */
export interface LayoutPlan {
  /** Bytes in all; rounded up to a power of two, as a PCI BAR has to be. Default 32 MiB. */
  readonly total?: number;
  /** Bytes of each ring, a power of two. Default 256 KiB. */
  readonly ringData?: number;
  /** Bytes of a data slot, a power of two. Default 16 KiB: a larger transfer has several side by side. */
  readonly slotSize?: number;
}

/** The layout of a plan, or why there is none. */
export function planLayout(plan: LayoutPlan = {}): Layout | ProtocolError {
  const { total = 32 << 20, ringData = 256 << 10, slotSize = 16 << 10 } = plan;
  if (!isPowerOfTwo(ringData) || ringData < RING_DATA_MIN || ringData > RING_DATA_MAX) {
    return bad(`a ring of ${ringData} bytes; give a power of two from ${RING_DATA_MIN} to ${RING_DATA_MAX}`);
  }
  if (!isPowerOfTwo(slotSize) || slotSize < SLOT_MIN || slotSize > SLOT_MAX) {
    return bad(`slots of ${slotSize} bytes; give a power of two from ${SLOT_MIN} to ${SLOT_MAX}`);
  }
  if (!(total >= TOTAL_MIN && total <= TOTAL_MAX)) {
    return bad(`${total} bytes in all; give ${TOTAL_MIN} to ${TOTAL_MAX}`);
  }
  const rounded = 2 ** Math.ceil(Math.log2(pageAlign(total)));
  const ringTotal = RING_HEADER_SIZE + ringData;
  const g2h = CONTROL_BLOCK_SIZE;
  const h2g = g2h + ringTotal;
  const dataOffset = pageAlign(h2g + ringTotal);
  const dataSize = rounded - dataOffset;
  const slotCount = Math.floor(dataSize / slotSize);
  if (slotCount < SLOTS_MIN)
    return bad(`${slotCount} slots fit; make the memory larger or the slots smaller`);
  return {
    total: rounded,
    g2h: { offset: g2h, dataSize: ringData },
    h2g: { offset: h2g, dataSize: ringData },
    dataOffset,
    dataSize,
    slotSize,
    slotCount,
    messageMax: messageMaxOf(ringData),
  };
}

/** Writes what does not change while the memory is used; the magic is the caller's, and comes last. */
export function writeLayout(memory: RingMemory, layout: Layout): void {
  memory.store(Control.version, VERSION_MAJOR | (VERSION_MINOR << 16));
  memory.store(Control.shm_total_size, layout.total);
  memory.store(Control.flags, ControlFlag.ISO);
  memory.store(Control.g2h_ring_offset, layout.g2h.offset);
  memory.store(Control.g2h_ring_size, RING_HEADER_SIZE + layout.g2h.dataSize);
  memory.store(Control.h2g_ring_offset, layout.h2g.offset);
  memory.store(Control.h2g_ring_size, RING_HEADER_SIZE + layout.h2g.dataSize);
  memory.store(Control.data_region_offset, layout.dataOffset);
  memory.store(Control.data_region_size, layout.dataSize);
  memory.store(Control.buffer_size, layout.slotSize);
  memory.store(Control.buffer_count, layout.slotCount);
  for (const { offset, dataSize } of [layout.g2h, layout.h2g]) {
    memory.store(offset + RingHeader.data_size, dataSize);
    memory.store(offset + RingHeader.data_size_mask, dataSize - 1);
    memory.store(offset + RingHeader.max_message_size, layout.messageMax);
  }
}

/** Reads a layout that a host has written, each word once. Nothing while there is none. */
export function readLayout(memory: RingMemory): Layout | ProtocolError | undefined {
  if (memory.load(Control.magic) !== CONTROL_MAGIC) return undefined;
  const version = memory.load(Control.version);
  const major = version & 0xffff;
  const minor = version >>> 16;
  if (major !== VERSION_MAJOR || minor < VERSION_MINOR) {
    return new ProtocolError(
      "BAD_VERSION",
      `the host speaks version ${major}.${minor} of the ring, this guest ${VERSION_MAJOR}.${VERSION_MINOR}; ` +
        "update the older side",
    );
  }
  const total = memory.load(Control.shm_total_size);
  const g2h = readRing(memory, Control.g2h_ring_offset, total);
  if (g2h instanceof ProtocolError) return g2h;
  const h2g = readRing(memory, Control.h2g_ring_offset, total);
  if (h2g instanceof ProtocolError) return h2g;
  const dataOffset = memory.load(Control.data_region_offset);
  const dataSize = memory.load(Control.data_region_size);
  const slotSize = memory.load(Control.buffer_size);
  const slotCount = memory.load(Control.buffer_count);
  if (total > memory.length || total < CONTROL_BLOCK_SIZE) {
    return bad(`the host tells of ${total} bytes, and ${memory.length} are mapped`);
  }
  if (!isPowerOfTwo(slotSize) || slotSize < SLOT_MIN || slotSize > SLOT_MAX) {
    return bad(`slots of ${slotSize} bytes`);
  }
  if (dataOffset % PAGE !== 0 || dataOffset + dataSize > total || slotCount * slotSize > dataSize) {
    return bad(
      `${slotCount} slots of ${slotSize} bytes at ${dataOffset}, ${dataSize} bytes long, of ${total}`,
    );
  }
  if (slotCount < SLOTS_MIN) return bad(`${slotCount} slots`);
  const parts = [
    [0, CONTROL_BLOCK_SIZE],
    [g2h.offset, RING_HEADER_SIZE + g2h.dataSize],
    [h2g.offset, RING_HEADER_SIZE + h2g.dataSize],
    [dataOffset, dataSize],
  ] as const;
  if (overlap(parts)) return bad("the parts of the memory overlap");
  return {
    total,
    g2h: { offset: g2h.offset, dataSize: g2h.dataSize },
    h2g: { offset: h2g.offset, dataSize: h2g.dataSize },
    dataOffset,
    dataSize,
    slotSize,
    slotCount,
    messageMax: Math.min(g2h.messageMax, h2g.messageMax),
  };
}

function readRing(
  memory: RingMemory,
  at: number,
  total: number,
): (RingPlace & { readonly messageMax: number }) | ProtocolError {
  const offset = memory.load(at);
  const size = memory.load(at + 4);
  const dataSize = size - RING_HEADER_SIZE;
  if (!isPowerOfTwo(dataSize) || dataSize < RING_DATA_MIN || dataSize > RING_DATA_MAX) {
    return bad(`a ring of ${size} bytes with its header`);
  }
  if (offset % LINE !== 0 || offset + size > Math.min(total, memory.length)) {
    return bad(`a ring of ${size} bytes at ${offset} of ${total}`);
  }
  const data_size = memory.load(offset + RingHeader.data_size);
  const mask = memory.load(offset + RingHeader.data_size_mask);
  const messageMax = memory.load(offset + RingHeader.max_message_size);
  if (data_size !== dataSize || mask !== dataSize - 1) {
    return bad(`a ring of ${dataSize} bytes, whose header says ${data_size}`);
  }
  if (messageMax < MESSAGE_MIN || messageMax > messageMaxOf(dataSize)) {
    return bad(`messages of up to ${messageMax} bytes in a ring of ${dataSize}`);
  }
  return { offset, dataSize, messageMax };
}

function messageMaxOf(ringData: number): number {
  return Math.min(ringData / MESSAGE_SHARE, MESSAGE_MAX);
}

function overlap(parts: readonly (readonly [number, number])[]): boolean {
  const sorted = parts.toSorted(([a], [b]) => a - b);
  return sorted.some(([at, size], i) => i + 1 < sorted.length && at + size > sorted[i + 1]![0]);
}

function isPowerOfTwo(number: number): boolean {
  return Number.isInteger(number) && number > 0 && 2 ** Math.round(Math.log2(number)) === number;
}

function pageAlign(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}

function bad(what: string): ProtocolError {
  return new ProtocolError("BAD_FIELD", `unusable layout: ${what}`);
}
