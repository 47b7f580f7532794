import assert from "node:assert/strict";
import type { Libusb } from "../../src/hardware/libusb/library.ts";
import { ForeignLibrary } from "../../src/linux/foreign-library.ts";

const NO_CALLBACK = 0x1234_5678;
const HANDLE = 0x7f00_0000_1000;

/** A transfer as libusb was given it. */
export interface SeenTransfer {
  readonly address: number;
  readonly type: number;
  readonly endpoint: number;
  readonly flags: number;
  readonly length: number;
  readonly packets: readonly number[];
  /** What stood in its memory when it was submitted. */
  readonly bytes: Uint8Array;
  /** Writes its memory as a device does. */
  write(bytes: Uint8Array, at?: number): void;
  /** It has ended: libusb writes that before it would call back. */
  end(result?: TransferResult): void;
}

export interface TransferResult {
  readonly status?: number;
  /** Default: all. */
  readonly actual?: number;
  readonly packets?: readonly { readonly actual: number; readonly status: number }[];
}

/** The part of libusb that has transfers, in this process: what a device would do is up to the test. */
export class SimulatedLibusb {
  static readonly handle = HANDLE;
  readonly submitted: SeenTransfer[] = [];
  /** Codes of the next submits; 0 lets one through. */
  readonly refusals: number[] = [];
  /** Transfers that were made and not freed, and those of them that it has. */
  readonly allocated = new Set<number>();
  readonly flying = new Set<number>();
  readonly #memory: ForeignLibrary;
  readonly #calloc: (count: number, size: number) => number;
  readonly #free: (address: number) => number;

  constructor() {
    const memory = ForeignLibrary.load(["libc.so.6"]);
    assert(!(memory instanceof Error));
    this.#memory = memory;
    this.#calloc = memory.function("uintptr_t calloc(size_t, size_t)");
    this.#free = memory.function("void free(uintptr_t)");
  }

  get library(): Libusb {
    const functions = {
      version: "1.0.0",
      memory: this.#memory,
      noCallback: NO_CALLBACK,
      allocTransfer: (packets: number) => this.#allocate(packets),
      freeTransfer: (address: number) => this.#release(address),
      submitTransfer: (address: number) => this.#submit(address),
    };
    return functions as unknown as Libusb;
  }

  #allocate(packets: number): number {
    const address = this.#calloc(1, 64 + 12 * packets);
    this.allocated.add(address);
    return address;
  }

  #release(address: number): number {
    assert(!this.flying.has(address), "freed while libusb has it");
    assert(this.allocated.delete(address), "freed twice");
    return this.#free(address);
  }

  #submit(address: number): number {
    const refusal = this.refusals.shift() ?? 0;
    if (refusal !== 0) return refusal;
    assert(!this.flying.has(address), "submitted twice");
    const struct = this.#view(address, 64);
    assert.equal(Number(struct.getBigUint64(0, true)), HANDLE); // dev_handle
    assert.equal(Number(struct.getBigUint64(32, true)), NO_CALLBACK); // callback
    assert.equal(struct.getUint32(12, true), 0); // timeout
    const length = struct.getInt32(20, true); // length
    const type = struct.getUint8(10); // type
    const count = type === 1 ? struct.getInt32(56, true) : 0; // num_iso_packets
    const packets = this.#view(address + 60, Math.max(1, 12 * count)); // iso_packet_desc
    const buffer = Number(struct.getBigUint64(48, true)); // buffer
    // Without bytes there may be no memory either.
    const own = length === 0 ? new Uint8Array(0) : new Uint8Array(this.#view(buffer, length).buffer);
    this.flying.add(address);
    this.submitted.push({
      address,
      type,
      endpoint: struct.getUint8(9), // endpoint
      flags: struct.getUint8(8), // flags
      length,
      packets: Array.from({ length: count }, (_, i) => packets.getUint32(12 * i, true)),
      bytes: own.slice(0, length),
      write: (bytes, at = 0) => own.set(bytes, at),
      end: (result = {}) => {
        const { status = 0, actual = type === 0 ? length - 8 : length } = result;
        for (const [i, packet] of (result.packets ?? []).entries()) {
          packets.setUint32(12 * i + 4, packet.actual, true);
          packets.setInt32(12 * i + 8, packet.status, true);
        }
        struct.setInt32(16, status, true); // status
        struct.setInt32(24, actual, true); // actual_length
        this.flying.delete(address);
      },
    });
    return 0;
  }

  #view(address: number, length: number): DataView {
    return new DataView(this.#memory.view(address, length));
  }
}
