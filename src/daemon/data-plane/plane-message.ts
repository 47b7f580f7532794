import type { CaptureRequest } from "../../capture/recorder.ts";
import type { GadgetSpecification } from "../../gadgets/catalog.ts";
import type { TypingRefused } from "../../gadgets/keyboard.ts";
import type { MemoryPages } from "../../gadgets/memory-store.ts";
import type { ExportedDevice } from "../../usbip/exports.ts";
import type { ImportRefusal } from "../../usbip/server.ts";
import type { HostLimits } from "../host-limits.ts";
import type { SessionEnd } from "../session-end.ts";

/** What the worker is started with. */
export interface ThreadStart {
  /** Readable when messages wait; the starter's. */
  readonly wake: number;
  readonly limits: HostLimits;
  /** Where the lives of URBs are written, for those who look for lost time. */
  readonly trace: SharedArrayBuffer | undefined;
  /** Where it may run, if the thread that starts it is pinned. */
  readonly processors: readonly number[] | undefined;
}

/** An accepted connection on its way to the worker, which owns the descriptor from then on. */
export interface Connection {
  readonly fd: number;
  readonly peer: string;
  /** What one write may have, where that is limited. */
  readonly writeBytes?: number | undefined;
  /** What the peer has sent, from the import on. */
  readonly request: Uint8Array;
  /** How long ago it was accepted: the clocks of two threads begin at different times. */
  readonly ageMs: number;
  /** What the import names. */
  readonly exported: Omit<ExportedDevice, "device" | "attached">;
  /** Its number in the trace, if there is one. */
  readonly traced?: number;
}

/** Heap of the worker, and how often it was collected since the last question. */
export interface ThreadMemory {
  readonly collections: number;
  /** Bytes on the heap and behind its buffers. */
  readonly used: number;
}

/** Gadgets, sessions and recordings have numbers that are never used again. */
export type ToThread =
  | { readonly what: "plug"; readonly gadget: number; readonly specification: GadgetSpecification }
  /** `lent` follows `lend`, and then `returned`. */
  | { readonly what: "unplug" | "lend"; readonly gadget: number }
  | { readonly what: "returned"; readonly gadget: number; readonly pages: MemoryPages }
  /** `typed` follows, in the same order. */
  | { readonly what: "type"; readonly gadget: number; readonly text: string }
  | {
      readonly what: "record";
      readonly recording: number;
      readonly gadget: number;
      readonly request: CaptureRequest;
      readonly ring: SharedArrayBuffer;
    }
  | { readonly what: "endRecording"; readonly recording: number }
  | {
      readonly what: "carry";
      readonly session: number;
      readonly gadget: number;
      readonly connection: Connection;
    }
  | { readonly what: "stop" | "destroy"; readonly session: number }
  | { readonly what: "kick"; readonly session: number; readonly end: SessionEnd }
  /** `patrol` follows `restless`. */
  | { readonly what: "patrol" | "memory" | "alive" | "end" };

export type ToMain =
  | { readonly what: "info" | "warn"; readonly fields: object; readonly message: string }
  /** With the block of its counters. */
  | { readonly what: "imported"; readonly session: number; readonly counters: SharedArrayBuffer }
  | { readonly what: "refused"; readonly session: number; readonly refusal: ImportRefusal }
  | {
      readonly what: "returned";
      readonly session: number;
      readonly end: SessionEnd;
      readonly durationMs: number;
    }
  | { readonly what: "lent"; readonly gadget: number; readonly pages: MemoryPages }
  | { readonly what: "typed"; readonly refused: TypingRefused | undefined }
  | { readonly what: "finished"; readonly session: number; readonly end: SessionEnd }
  /** Sessions are to be looked at in a while. A timer of the worker would cost each of its waits. */
  | { readonly what: "restless" | "alive" }
  | ({ readonly what: "memory" } & ThreadMemory);
