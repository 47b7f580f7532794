import { equalBytes } from "./equal-bytes.ts";

/** Up to here a loop is cheaper than to ask Node. */
const LOOP_MAX = 1024;
const NUMBER = Float64Array.BYTES_PER_ELEMENT;
const STEP = 4 * NUMBER;
const NO_BYTES = new Uint8Array(0);

/** Bytes that many others are compared with. */
export class ByteTemplate {
  readonly bytes: Uint8Array;
  /** As far as the bytes make whole numbers. */
  readonly #numbers: Float64Array;
  readonly #isComparable: boolean;
  readonly #isZero: boolean;
  /** What was looked at last, where it begins in its memory, and all of that memory. */
  #seen: Uint8Array = NO_BYTES;
  #begin = 0;
  #view: DataView = new DataView(NO_BYTES.buffer);
  #words: Float64Array = new Float64Array(0);

  /** `bytes` stay as they are. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const whole = bytes.slice(0, bytes.length - (bytes.length % NUMBER));
    this.#numbers = new Float64Array(whole.buffer);
    this.#isComparable = !this.#numbers.some((number) => Object.is(number, -0));
    this.#isZero = this.#numbers.every((number) => Object.is(number, 0));
  }

  /** Whether `length` bytes from `at` are those at the beginning of the template. Both have them. */
  matches(bytes: Uint8Array, at: number, length: number): boolean {
    if (length > LOOP_MAX || !this.#isComparable) return equalBytes(bytes, at, this.bytes, 0, length);
    const even = length - (length % STEP);
    return this.#matchesEven(bytes, at, even) && this.#matchesRest(bytes, at, even, length);
  }

  #matchesEven(bytes: Uint8Array, at: number, length: number): boolean {
    if (bytes !== this.#seen) this.#see(bytes);
    const from = this.#begin + at;
    if (!this.#isZero) {
      return this.#matchesNumbers(this.#view, from, length) || equalBytes(bytes, at, this.bytes, 0, length);
    }
    if (from % NUMBER === 0) return areZeroNumbers(this.#words, from, from + length);
    return areZeros(this.#view, from, length);
  }

  #see(bytes: Uint8Array): void {
    const { buffer } = bytes;
    this.#seen = bytes;
    this.#begin = bytes.byteOffset;
    if (buffer === this.#view.buffer) return;
    this.#view = new DataView(buffer);
    this.#words = new Float64Array(buffer, 0, Math.floor(buffer.byteLength / NUMBER));
  }

  /**
   * Compares eight bytes at a time, as numbers. A difference is +0 for equal numbers alone, for none is rounded to 0
   * (IEEE 754 has subnormal ones). -0 less +0 is -0, and no other difference is: so it is lost for good as soon as
   * anything differs. That 0 and -0 differ is seen because the template has no -0. Bytes that make no number may be
   * equal nevertheless.
   */
  #matchesNumbers(view: DataView, at: number, length: number): boolean {
    const numbers = this.#numbers;
    // Four that do not wait for each other.
    let a = -0;
    let b = -0;
    let c = -0;
    let d = -0;
    for (let i = 0, from = at; from < at + length; i += 4, from += STEP) {
      a -= view.getFloat64(from, true) - numbers[i]!;
      b -= view.getFloat64(from + 8, true) - numbers[i + 1]!;
      c -= view.getFloat64(from + 16, true) - numbers[i + 2]!;
      d -= view.getFloat64(from + 24, true) - numbers[i + 3]!;
    }
    return Object.is(a, -0) && Object.is(b, -0) && Object.is(c, -0) && Object.is(d, -0);
  }

  #matchesRest(bytes: Uint8Array, at: number, from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (bytes[at + i] !== this.bytes[i]) return false;
    return true;
  }
}

/**
 * As `areZeros`, in half the time, where the bytes are numbers in their memory. A shift, and not a division, tells the
 * compiler that no index becomes too large.
 */
function areZeroNumbers(numbers: Float64Array, from: number, to: number): boolean {
  const end = to >>> 3;
  let i = from >>> 3;
  let a = -0;
  let b = -0;
  let c = -0;
  let d = -0;
  let e = -0;
  let f = -0;
  let g = -0;
  let h = -0;
  if (((to - from) & STEP) !== 0) {
    a -= numbers[i]!;
    b -= numbers[i + 1]!;
    c -= numbers[i + 2]!;
    d -= numbers[i + 3]!;
    i += 4;
  }
  for (; i < end; i += 8) {
    a -= numbers[i]!;
    b -= numbers[i + 1]!;
    c -= numbers[i + 2]!;
    d -= numbers[i + 3]!;
    e -= numbers[i + 4]!;
    f -= numbers[i + 5]!;
    g -= numbers[i + 6]!;
    h -= numbers[i + 7]!;
  }
  const first = Object.is(a, -0) && Object.is(b, -0) && Object.is(c, -0) && Object.is(d, -0);
  return first && Object.is(e, -0) && Object.is(f, -0) && Object.is(g, -0) && Object.is(h, -0);
}

/** As `#matchesNumbers`, in two thirds of the time; only zeros are 0 as a number. */
function areZeros(view: DataView, at: number, length: number): boolean {
  let a = -0;
  let b = -0;
  let c = -0;
  let d = -0;
  for (let from = at; from < at + length; from += STEP) {
    a -= view.getFloat64(from, true);
    b -= view.getFloat64(from + 8, true);
    c -= view.getFloat64(from + 16, true);
    d -= view.getFloat64(from + 24, true);
  }
  return Object.is(a, -0) && Object.is(b, -0) && Object.is(c, -0) && Object.is(d, -0);
}
