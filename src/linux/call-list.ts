/** System calls that one thread makes for another. */
export const CallKind = { ioctl: 0, open: 1, close: 2 } as const;

/** Words of one call: kind, descriptor, request or flags, address (low and high word), result. */
export const CALL_WORDS = 6;
const RESULT = 5;
const HIGH = 2 ** 32;

/** More than a device has URBs in flight and interfaces together. */
export const CALLS_MAX = 4096;

/**
 * System calls in the order in which they are to be made, each whatever became of the one before. What an address
 * points to has to stay there until they are done.
 */
export class CallList {
  #words = new Int32Array(64 * CALL_WORDS);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** `argument` is an address, or the value itself. Answers the place of its result. */
  ioctl(fd: number, request: number, argument: number): number {
    return this.#add(CallKind.ioctl, fd, request, argument);
  }

  /** `path` is the address of a text that ends with a zero. */
  open(path: number, flags: number): number {
    return this.#add(CallKind.open, 0, flags, path);
  }

  close(fd: number): number {
    return this.#add(CallKind.close, fd, 0, 0);
  }

  /** What the call has answered, or its errno as a negative number. */
  result(index: number): number {
    return this.#words[index * CALL_WORDS + RESULT]!;
  }

  /** None of them is made. */
  fail(errno: number): void {
    for (let i = 0; i < this.#length; i++) this.#words[i * CALL_WORDS + RESULT] = -errno;
  }

  /** Writes it where the thread reads. */
  copyTo(words: Int32Array, at: number): void {
    words.set(this.#words.subarray(0, this.#length * CALL_WORDS), at);
  }

  /** Takes the results from there. */
  takeResults(words: Int32Array, at: number): void {
    for (let i = RESULT; i < this.#length * CALL_WORDS; i += CALL_WORDS) this.#words[i] = words[at + i]!;
  }

  #add(kind: number, fd: number, request: number, address: number): number {
    const index = this.#length++;
    const at = index * CALL_WORDS;
    if (at === this.#words.length) {
      const grown = new Int32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[at] = kind;
    this.#words[at + 1] = fd;
    this.#words[at + 2] = request;
    // The stores keep the lower 32 bits.
    this.#words[at + 3] = address;
    this.#words[at + 4] = address / HIGH;
    this.#words[at + RESULT] = 0;
    return index;
  }
}
