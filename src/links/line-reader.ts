/** Reads one line of at most so many bytes, its end included, as it comes in. */
export class LineReader {
  readonly #limit: number;
  #line = "";

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What has come of an unfinished line. */
  get soFar(): string {
    return this.#line;
  }

  /**
   * Takes bytes up to the end of the line. Answers the line without its end and how many of these bytes belong to it;
   * nothing while it is not whole, `too long` when it cannot become so.
   */
  take(bytes: Uint8Array): { readonly line: string; readonly used: number } | "too long" | undefined {
    for (let at = 0; at < bytes.length; at++) {
      if (this.#line.length >= this.#limit) return "too long";
      const byte = bytes[at]!;
      if (byte === 0x0a) return { line: this.#line, used: at + 1 };
      this.#line += String.fromCharCode(byte);
    }
    return this.#line.length >= this.#limit ? "too long" : undefined;
  }
}
