import { copyBytes } from "../wire/copy-bytes.ts";
import { FrameFlag, FrameHeader } from "./messages.ts";
import { HEAD, type Outgoing } from "./outgoing.ts";

/**
 * What the link gets at a time. A frame that becomes urgent waits for what is with the link already, so it is not more
 * than keeps a link busy.
 */
const BATCH_BYTES = 256 << 10;
const PAGE_BYTES = 64 << 10;
/** Up to here copying a frame is cheaper than handing it to the link as a chunk of its own. */
const COPIED_MAX = 4 << 10;

/** Frames that leave in one write. Small ones are copied into a page. Used again when it has left. */
export class FrameBatch {
  readonly chunks: Uint8Array[] = [];
  /** Messages whose last frame is in the batch. */
  readonly ended: Outgoing[] = [];
  readonly #page = new Uint8Array(PAGE_BYTES);
  /** Bytes of the page that are used, and from where on they are in no chunk yet. */
  #used = 0;
  #from = 0;
  #bytes = 0;

  /** No further frame is to be added. */
  get isFull(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#used + HEAD + COPIED_MAX > PAGE_BYTES;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** The next `length` bytes of a message, as a frame. */
  add(message: Outgoing, length: number): void {
    const { bytes, sent } = message;
    message.sent += length;
    const header = this.#header(message, length);
    this.#bytes += HEAD + length;
    if (length <= COPIED_MAX) {
      copyBytes(bytes, HEAD + sent, length, this.#page, this.#used);
      this.#used += length;
    } else if (sent === 0) {
      // The first frame stands in one piece with the room in front of it.
      this.#used = header;
      bytes.set(this.#page.subarray(header, header + HEAD), 0);
      this.#add(bytes.subarray(0, HEAD + length));
    } else {
      this.#add(bytes.subarray(HEAD + sent, HEAD + sent + length));
    }
    if (message.isWhole) this.ended.push(message);
  }

  /** Nothing is added until it has left. */
  seal(): void {
    if (this.#used === this.#from) return;
    this.chunks.push(this.#page.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }

  /** Makes it as good as new. */
  clear(): void {
    this.chunks.length = 0;
    this.ended.length = 0;
    this.#used = 0;
    this.#from = 0;
    this.#bytes = 0;
  }

  #add(chunk: Uint8Array): void {
    this.seal();
    this.chunks.push(chunk);
  }

  /** Writes it into the page, and tells where. */
  #header({ type, sequence, isAbandonment, isWhole }: Outgoing, length: number): number {
    const at = this.#used;
    FrameHeader.put.type(this.#page, at, type);
    FrameHeader.put.payload_size(this.#page, at, length);
    FrameHeader.put.sequence_number(this.#page, at, sequence);
    FrameHeader.put.reserved(
      this.#page,
      at,
      isAbandonment ? FrameFlag.ABANDONED : isWhole ? 0 : FrameFlag.MORE,
    );
    this.#used += HEAD;
    return at;
  }
}
