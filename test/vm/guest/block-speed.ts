import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { Arena } from "../../../src/linux/arena.ts";
import { UsbfsDevice } from "./usbfs.ts";

const MIB = 1 << 20;
const CONTROLS = 200;
const RANDOMS = 150;

/** MB/s of reads in a row, milliseconds of others. */
export interface StickSpeed {
  readonly read1MiB: number;
  readonly read64KiB: number;
  readonly random4KiBMs: number;
  readonly controlMs: number;
  readonly sha256: string;
}

/** Reads a disk past the page cache, and asks its device for a descriptor again and again. */
export async function measureStick(disk: string, node: string, bytes: number): Promise<StickSpeed> {
  // O_DIRECT wants memory that begins with a page.
  const arena = Arena.anonymous(MIB);
  if (!(arena instanceof Arena)) throw arena;
  const fd = openSync(disk, constants.O_RDONLY | constants.O_DIRECT);
  const hash = createHash("sha256");
  const read = (length: number, at: number): void => {
    if (readSync(fd, arena.bytes, 0, length, at) !== length) throw new Error(`short read at ${at}`);
  };
  const inARow = (length: number, total: number): number => {
    const startMs = performance.now();
    for (let at = 0; at < total; at += length) read(length, at);
    return total / 1000 / (performance.now() - startMs);
  };
  try {
    for (let at = 0; at < bytes; at += MIB) {
      read(MIB, at);
      hash.update(arena.bytes);
    }
    return {
      read1MiB: inARow(MIB, bytes),
      read64KiB: inARow(64 << 10, bytes / 2),
      random4KiBMs: median(RANDOMS, (i) => read(4096, (((i * 7919) % (bytes / 4096)) * 4096) | 0)),
      controlMs: await controls(node),
      sha256: hash.digest("hex"),
    };
  } finally {
    closeSync(fd);
    arena.free();
  }
}

function median(count: number, act: (i: number) => void): number {
  const times = Array.from({ length: count }, (_, i) => {
    const startMs = performance.now();
    act(i);
    return performance.now() - startMs;
  });
  return times.toSorted((a, b) => a - b)[count >> 1]!;
}

async function controls(node: string): Promise<number> {
  const device = new UsbfsDevice(node);
  const times: number[] = [];
  const data = Uint8Array.of(0x80, 6, 0, 1, 0, 0, 18, 0, ...new Uint8Array(18));
  for (let i = 0; i < CONTROLS; i++) {
    const startMs = performance.now();
    await device.transfer({ type: "control", endpoint: 0, data });
    times.push(performance.now() - startMs);
  }
  device.close();
  return times.toSorted((a, b) => a - b)[CONTROLS >> 1]!;
}
