/**
 * One side of a ring by hand, from the tables of docs/protocols/ring.md and nothing else: a peer that does exactly what a
 * test says, right or wrong.
 */
export interface RingMessage {
  readonly type: number;
  readonly version: number;
  readonly transaction: number;
  readonly device: number;
  /** From the header on. */
  readonly bytes: Buffer;
}

const RING_AT = { g2h: 0x10, h2g: 0x18 } as const;
const RING_HEADER = 192;

export class RingWire {
  readonly memory: DataView;
  readonly #words: Int32Array;
  readonly #out: number;
  readonly #in: number;
  readonly #mask: number;
  readonly #line: number;
  produced = 0;
  consumed = 0;

  /** On memory that a host has laid out. */
  constructor(memory: Uint8Array, side: "host" | "guest") {
    this.memory = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, memory.byteLength >> 2);
    this.#out = this.word(side === "host" ? RING_AT.h2g : RING_AT.g2h);
    this.#in = this.word(side === "host" ? RING_AT.g2h : RING_AT.h2g);
    this.#mask = this.word(this.#out + 0x84);
    this.#line = side === "host" ? 0x40 : 0x80;
  }

  word(at: number): number {
    return Atomics.load(this.#words, at >> 2) >>> 0;
  }

  put(at: number, value: number): void {
    Atomics.store(this.#words, at >> 2, value | 0);
  }

  /** A guest arrives: indices first, then its epoch and that of the host. */
  arrive(epoch: number, hostEpoch = this.word(0x4c)): void {
    this.produced = 0;
    this.consumed = 0;
    this.put(this.#out, 0);
    this.put(this.#in + 0x40, 0);
    this.put(0x8c, epoch);
    this.put(0x90, hostEpoch);
  }

  /** Tells that it lives. */
  beat(): void {
    this.put(this.#line, this.word(this.#line) + 1);
  }

  /** NEGOTIATE of version 1.1. */
  negotiate(
    overrides: { readonly min?: number; readonly max?: number; readonly capabilities?: number } = {},
  ): void {
    const { min = 0x0101, max = 0x0101, capabilities = 15 } = overrides;
    const body = Buffer.alloc(32);
    body.writeUInt16LE(min, 0);
    body.writeUInt16LE(max, 2);
    body.writeUInt32LE(capabilities, 4);
    body.writeUInt32LE(256, 8);
    body.writeUInt32LE(this.word(0x8c), 12);
    body.writeUInt32LE(this.word(0x4c), 16);
    this.send(1, 1, 0, body);
  }

  /** Sends and publishes. */
  send(type: number, transaction: number, device: number, body: Uint8Array, version = 0x0101): void {
    const length = 32 + body.length;
    const header = Buffer.alloc(32);
    header.writeUInt32LE(0x4d444855, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(version, 6);
    header.writeUInt32LE(length, 8);
    header.writeUInt32LE(transaction, 12);
    header.writeUInt32LE(device, 16);
    this.write(Buffer.concat([header, body]));
  }

  /** Writes bytes as one message, as they are. */
  write(bytes: Uint8Array): void {
    const aligned = (bytes.length + 63) & ~63;
    for (let i = 0; i < aligned; i++) {
      const at = this.#out + RING_HEADER + ((this.produced + i) & this.#mask);
      this.memory.setUint8(at, bytes[i] ?? 0);
    }
    this.produced = (this.produced + aligned) >>> 0;
    this.put(this.#out, this.produced);
  }

  /** All that came. */
  read(): RingMessage[] {
    const messages: RingMessage[] = [];
    const produced = this.word(this.#in);
    while (this.consumed !== produced) {
      const start = this.#in + RING_HEADER;
      const place = (i: number) => start + ((this.consumed + i) & this.#mask);
      const length = this.memory.getUint32(place(8), true);
      const bytes = Buffer.from(Array.from({ length }, (_, i) => this.memory.getUint8(place(i))));
      messages.push({
        type: bytes.readUInt16LE(4),
        version: bytes.readUInt16LE(6),
        transaction: bytes.readUInt32LE(12),
        device: bytes.readUInt32LE(16),
        bytes,
      });
      this.consumed = (this.consumed + ((length + 63) & ~63)) >>> 0;
    }
    this.put(this.#in + 0x40, this.consumed);
    return messages;
  }
}

/** The fields of a URB_SUBMIT that a test names; the others are those of a bulk read of 512 bytes in the first slots. */
export interface SubmitFields {
  readonly device: number;
  readonly endpoint: number;
  readonly direction: number;
  readonly type: number;
  readonly length: number;
  readonly flags: number;
  readonly mode: number;
  readonly offset: number;
  readonly setup: Uint8Array;
  readonly inline: Uint8Array;
}

/** The body of URB_SUBMIT. */
export function submitBody(fields: Partial<SubmitFields>, dataOffset: number): Uint8Array {
  const { device = 1, endpoint = 1, direction = 1, type = 2, length = 512, flags = 0, mode = 1 } = fields;
  const { offset = dataOffset, setup = new Uint8Array(8), inline = new Uint8Array(0) } = fields;
  const body = Buffer.alloc(64);
  for (const [i, value] of [device, endpoint, direction, type, length, flags, mode, offset].entries()) {
    body.writeUInt32LE(value >>> 0, 4 * i);
  }
  body.set(setup, 32);
  return Buffer.concat([body, inline]);
}

/** [transaction, status, actual length] of a URB_COMPLETE or ISO_COMPLETE. */
export function completion({ bytes, transaction }: RingMessage): readonly [number, number, number] {
  return [transaction, bytes.readInt32LE(0x28), bytes.readUInt32LE(0x2c)];
}
