import type { BufferPool } from "../usb/device.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import type { DeviceCalls } from "./device-calls.ts";
import type { Part, PartTable } from "./part-table.ts";

/** A device as one interface of the operating system has it. */
export interface SystemDevice<C extends DeviceCalls = DeviceCalls> {
  readonly calls: C;
  /** While it is open: what carries its URBs. `noMemory` runs when the system has none for one. */
  carry(noMemory: () => void): Carriage<C>;
  /** While it is open: runs `look` when URBs may have ended, until cancelled. */
  watch(loop: Loop, look: () => void): Cancellable;
  /** When it is closed. */
  free(): void;
}

export interface Carriage<C extends DeviceCalls> {
  readonly table: PartTable<Part, C>;
  /** Most bytes of one part. */
  readonly partBytes: number;
  readonly memory?: ClosablePool;
}

export interface ClosablePool extends BufferPool {
  /** Buffers that are out stay what they are until they are given back. */
  close(): void;
}
