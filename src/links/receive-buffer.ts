/**
 * Holds 32 transfers of 16 KiB and nearly twice as many. What came together is answered together: a peer that gets its
 * answers in parts is woken for each part. Only what is read into takes memory.
 */
const RECEIVE_BYTES = 1 << 20;
const KEPT_VIEWS = 1024;

/**
 * Where all poll links of one loop receive. A read is delivered before the next one, so one buffer is enough.
 * Views of its beginning are kept, so that steady traffic makes none.
 */
export class ReceiveBuffer {
  readonly bytes = new Uint8Array(RECEIVE_BYTES);
  readonly #views: (Uint8Array | undefined)[] = Array.from({ length: KEPT_VIEWS });

  /** The first `length` bytes. */
  front(length: number): Uint8Array {
    const place = length % KEPT_VIEWS;
    const kept = this.#views[place];
    if (kept?.length === length) return kept;
    const view = this.bytes.subarray(0, length);
    this.#views[place] = view;
    return view;
  }
}
