import { ProtocolError } from "../wire/protocol-error.ts";
import { BlockHeader, BlockType, BYTE_ORDER_MAGIC, EnhancedPacket, PACKET_FRAME, padded } from "./pcapng.ts";

/** Far above what a packet with options needs. */
const BLOCK_MAX = 16 << 20;
const BLOCK_MIN = 12;

/** Cuts a stream of pcapng into its blocks, and looks at nothing but their frames. */
export class BlockReader {
  readonly #take: (block: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array(0);
  #begun = false;

  /** `take` gets each block whole, from its type to its last length. */
  constructor(take: (block: Uint8Array) => void) {
    this.#take = take;
  }

  /** Bytes of a block that is not whole yet. */
  get waiting(): number {
    return this.#rest.length;
  }

  /** Nothing, or why this is no pcapng that can be read here; nothing may follow then. */
  receive(bytes: Uint8Array): ProtocolError | undefined {
    const all = joined(this.#rest, bytes);
    let at = 0;
    while (all.length - at >= BLOCK_MIN) {
      const wrong = this.#begun ? undefined : checkBegin(all, at);
      if (wrong !== undefined) return wrong;
      this.#begun = true;
      const length = BlockHeader.block_total_length(all, at);
      if (length < BLOCK_MIN || length % 4 !== 0 || length > BLOCK_MAX) {
        return new ProtocolError("BAD_LENGTH", `a block of ${length} bytes, at ${at} of ${all.length}`);
      }
      if (all.length - at < length) break;
      const block = all.subarray(at, at + length);
      if (BlockHeader.block_type(block, length - 4) !== length) {
        return new ProtocolError("BAD_LENGTH", `the two lengths of a block of ${length} bytes differ`);
      }
      this.#take(block);
      at += length;
    }
    this.#rest = all.slice(at);
    return undefined;
  }
}

export function blockTypeOf(block: Uint8Array): number {
  return BlockHeader.block_type(block, 0);
}

/** A packet that passed, and not one of those that only describe the device. */
export function isTraffic(block: Uint8Array): boolean {
  if (blockTypeOf(block) !== BlockType.ENHANCED_PACKET || block.length < PACKET_FRAME) return false;
  const captured = EnhancedPacket.captured_packet_length(block, BlockHeader.size);
  return block.length <= PACKET_FRAME + padded(captured);
}

function checkBegin(bytes: Uint8Array, at: number): ProtocolError | undefined {
  if (BlockHeader.block_type(bytes, at) !== BlockType.SECTION_HEADER) {
    return new ProtocolError("BAD_FIELD", "this does not begin as pcapng does");
  }
  const magic = new DataView(bytes.buffer, bytes.byteOffset + at + BlockHeader.size, 4).getUint32(0, true);
  if (magic === BYTE_ORDER_MAGIC) return undefined;
  return new ProtocolError("BAD_FIELD", "this is pcapng of a computer with the other byte order, or none");
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
