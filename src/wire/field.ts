/**
 * Field kinds of a wire struct. Reads and writes go byte by byte: a DataView per message would be an
 * allocation per message, and most fields of these protocols are not aligned.
 */

export interface Access<T> {
  get(bytes: Uint8Array, at: number): T;
  put(bytes: Uint8Array, at: number, value: T): void;
}

export interface Field<T> {
  readonly size: number;
  readonly big: Access<T>;
  readonly little: Access<T>;
}

const byte: Access<number> = {
  get: (bytes, at) => bytes[at]!,
  put: (bytes, at, value) => {
    bytes[at] = value;
  },
};

export const u8: Field<number> = { size: 1, big: byte, little: byte };

export const u16: Field<number> = {
  size: 2,
  big: {
    get: (bytes, at) => (bytes[at]! << 8) | bytes[at + 1]!,
    put: (bytes, at, value) => {
      bytes[at] = value >>> 8;
      bytes[at + 1] = value;
    },
  },
  little: {
    get: (bytes, at) => bytes[at]! | (bytes[at + 1]! << 8),
    put: (bytes, at, value) => {
      bytes[at] = value;
      bytes[at + 1] = value >>> 8;
    },
  },
};

function getBig32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function putBig32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function getLittle32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function putLittle32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export const s32: Field<number> = {
  size: 4,
  big: { get: getBig32, put: putBig32 },
  little: { get: getLittle32, put: putLittle32 },
};

export const u32: Field<number> = {
  size: 4,
  big: { get: (bytes, at) => getBig32(bytes, at) >>> 0, put: putBig32 },
  little: { get: (bytes, at) => getLittle32(bytes, at) >>> 0, put: putLittle32 },
};

/** Bytes as they are. `get` copies; the data path reads them in place instead. */
export function octets(size: number): Field<Uint8Array> {
  const access: Access<Uint8Array> = {
    get: (bytes, at) => bytes.slice(at, at + size),
    put: (bytes, at, value) => {
      bytes.fill(0, at, at + size);
      bytes.set(value.subarray(0, size), at);
    },
  };
  return { size, big: access, little: access };
}

/** NUL-padded text, one byte a character (Latin-1). The last byte is always NUL: peers use C strings. */
export function text(size: number): Field<string> {
  const access: Access<string> = {
    get: (bytes, at) => {
      let out = "";
      for (let i = at; i < at + size && bytes[i] !== 0; i++) out += String.fromCharCode(bytes[i]!);
      return out;
    },
    put: (bytes, at, value) => {
      bytes.fill(0, at, at + size);
      const length = Math.min(value.length, size - 1);
      for (let i = 0; i < length; i++) bytes[at + i] = value.charCodeAt(i);
    },
  };
  return { size, big: access, little: access };
}
