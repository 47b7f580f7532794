import assert from "node:assert/strict";
import { type Libc, libc } from "../../src/linux/libc.ts";
import { SystemError } from "../../src/linux/system-error.ts";

/** The requests of the kernel's header, by their numbers there. */
const SUBMITURB = 0x8038550a;
const REAPURBNDELAY = 0x4008550d;
const EAGAIN = 11;
const ENODEV = 19;

/** A URB as the kernel was given it. */
export interface SeenUrb {
  readonly type: number;
  readonly endpoint: number;
  readonly flags: number;
  readonly length: number;
  /** Lengths of its packets. */
  readonly packets: readonly number[];
  /** What stood in its memory when it was submitted. */
  readonly bytes: Uint8Array;
  /** Writes its memory as a device does. */
  write(bytes: Uint8Array, at?: number): void;
  /** It has ended; the next reap brings it. */
  end(result?: UrbResult): void;
}

export interface UrbResult {
  readonly status?: number;
  /** Default: all. */
  readonly actual?: number;
  readonly packets?: readonly { readonly actual: number; readonly status: number }[];
}

/** The part of Linux's usbfs that submits and reaps, in this process: what a device would do is up to the test. */
export class SimulatedUsbfs {
  readonly submitted: SeenUrb[] = [];
  /** errno of the next submits; 0 lets one through. */
  readonly refusals: number[] = [];
  isGone = false;
  readonly #real: Libc;
  readonly #ended: number[] = [];
  #errno = 0;

  constructor() {
    const real = libc();
    assert(!(real instanceof SystemError));
    this.#real = real;
  }

  /** The C library with an ioctl of our own. */
  get libc(): Libc {
    return {
      ...this.#real,
      ioctl: (_fd, request, address) => this.#ioctl(request, address),
      errno: () => this.#errno,
    };
  }

  #ioctl(request: number, address: number): number {
    if (request === SUBMITURB) return this.#submit(address);
    assert.equal(request, REAPURBNDELAY);
    const ended = this.#ended.shift();
    if (ended === undefined) return this.#fail(this.isGone ? ENODEV : EAGAIN);
    this.#view(address, 8).setBigUint64(0, BigInt(ended), true);
    return 0;
  }

  #submit(address: number): number {
    const refusal = this.refusals.shift() ?? 0;
    if (refusal !== 0) return this.#fail(refusal);
    const struct = this.#view(address, 56);
    const length = struct.getInt32(24, true); // buffer_length
    const count = struct.getUint8(0) === 0 ? struct.getInt32(36, true) : 0; // type, number_of_packets
    const packets = this.#view(address + 56, Math.max(1, 12 * count));
    const buffer = Number(struct.getBigUint64(16, true)); // buffer
    // Without bytes there may be no memory either.
    const own = length === 0 ? new Uint8Array(0) : new Uint8Array(this.#view(buffer, length).buffer);
    this.submitted.push({
      type: struct.getUint8(0),
      endpoint: struct.getUint8(1),
      flags: struct.getUint32(8, true),
      length,
      packets: Array.from({ length: count }, (_, i) => packets.getUint32(12 * i, true)),
      bytes: own.slice(0, length),
      write: (bytes, at = 0) => own.set(bytes, at),
      end: (result = {}) => {
        const { status = 0, actual = struct.getUint8(0) === 2 ? length - 8 : length } = result;
        struct.setInt32(4, status, true);
        struct.setInt32(28, actual, true);
        for (const [i, packet] of (result.packets ?? []).entries()) {
          packets.setUint32(12 * i + 4, packet.actual, true);
          packets.setInt32(12 * i + 8, packet.status, true);
        }
        this.#ended.push(address);
      },
    });
    return 0;
  }

  #fail(errno: number): number {
    this.#errno = errno;
    return -1;
  }

  #view(address: number, length: number): DataView {
    return new DataView(this.#real.view(address, length));
  }
}
