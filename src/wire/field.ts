/**
 * Field kinds of a wire struct. Most fields of these protocols are not aligned, so bytes are read one by one: a
 * DataView for each message would be garbage. Who has one for many messages reads and writes numbers through it.
 */

/**
 * How a field at `offset` of its struct is read and written. It makes functions, so that each of them calls one
 * function that the compiler knows: a call through a table costs more than the read.
 */
export interface Access<T> {
  getter(offset: number): (bytes: Uint8Array, at: number) => T;
  putter(offset: number): (bytes: Uint8Array, at: number, value: T) => void;
}

export interface NumberAccess extends Access<number> {
  reader(offset: number): (view: DataView, at: number) => number;
  writer(offset: number): (view: DataView, at: number, value: number) => void;
}

export interface Field<T> {
  readonly size: number;
  readonly big: Access<T>;
  readonly little: Access<T>;
}

export interface NumberField extends Field<number> {
  readonly big: NumberAccess;
  readonly little: NumberAccess;
}

const byte: NumberAccess = {
  getter: (offset) => (bytes, at) => bytes[at + offset]!,
  putter: (offset) => (bytes, at, value) => {
    bytes[at + offset] = value;
  },
  reader: (offset) => (view, at) => view.getUint8(at + offset),
  writer: (offset) => (view, at, value) => view.setUint8(at + offset, value),
};

export const u8: NumberField = { size: 1, big: byte, little: byte };

export const u16: NumberField = {
  size: 2,
  big: {
    getter: (offset) => (bytes, at) => (bytes[at + offset]! << 8) | bytes[at + offset + 1]!,
    putter: (offset) => (bytes, at, value) => {
      bytes[at + offset] = value >>> 8;
      bytes[at + offset + 1] = value;
    },
    reader: (offset) => (view, at) => view.getUint16(at + offset),
    writer: (offset) => (view, at, value) => view.setUint16(at + offset, value),
  },
  little: {
    getter: (offset) => (bytes, at) => bytes[at + offset]! | (bytes[at + offset + 1]! << 8),
    putter: (offset) => (bytes, at, value) => {
      bytes[at + offset] = value;
      bytes[at + offset + 1] = value >>> 8;
    },
    reader: (offset) => (view, at) => view.getUint16(at + offset, true),
    writer: (offset) => (view, at, value) => view.setUint16(at + offset, value, true),
  },
};

const putsBig32 = (offset: number) => (bytes: Uint8Array, at: number, value: number) => {
  const place = at + offset;
  bytes[place] = value >>> 24;
  bytes[place + 1] = value >>> 16;
  bytes[place + 2] = value >>> 8;
  bytes[place + 3] = value;
};

const putsLittle32 = (offset: number) => (bytes: Uint8Array, at: number, value: number) => {
  const place = at + offset;
  bytes[place] = value;
  bytes[place + 1] = value >>> 8;
  bytes[place + 2] = value >>> 16;
  bytes[place + 3] = value >>> 24;
};

const getsBig32 = (offset: number) => (bytes: Uint8Array, at: number) => {
  const place = at + offset;
  return (bytes[place]! << 24) | (bytes[place + 1]! << 16) | (bytes[place + 2]! << 8) | bytes[place + 3]!;
};

const getsLittle32 = (offset: number) => (bytes: Uint8Array, at: number) => {
  const place = at + offset;
  return bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16) | (bytes[place + 3]! << 24);
};

const getsUnsignedBig32 = (offset: number) => (bytes: Uint8Array, at: number) => {
  const place = at + offset;
  const low = (bytes[place + 1]! << 16) | (bytes[place + 2]! << 8) | bytes[place + 3]!;
  return ((bytes[place]! << 24) | low) >>> 0;
};

const getsUnsignedLittle32 = (offset: number) => (bytes: Uint8Array, at: number) => {
  const place = at + offset;
  const low = bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16);
  return (low | (bytes[place + 3]! << 24)) >>> 0;
};

const writesBig32 = (offset: number) => (view: DataView, at: number, value: number) =>
  view.setInt32(at + offset, value);

const writesLittle32 = (offset: number) => (view: DataView, at: number, value: number) =>
  view.setInt32(at + offset, value, true);

export const s32: NumberField = {
  size: 4,
  big: {
    getter: getsBig32,
    putter: putsBig32,
    reader: (offset) => (view, at) => view.getInt32(at + offset),
    writer: writesBig32,
  },
  little: {
    getter: getsLittle32,
    putter: putsLittle32,
    reader: (offset) => (view, at) => view.getInt32(at + offset, true),
    writer: writesLittle32,
  },
};

export const u32: NumberField = {
  size: 4,
  big: {
    getter: getsUnsignedBig32,
    putter: putsBig32,
    reader: (offset) => (view, at) => view.getUint32(at + offset),
    writer: writesBig32,
  },
  little: {
    getter: getsUnsignedLittle32,
    putter: putsLittle32,
    reader: (offset) => (view, at) => view.getUint32(at + offset, true),
    writer: writesLittle32,
  },
};

function joined(low: number, high: number): number {
  return high * 2 ** 32 + low;
}

function highHalf(value: number): number {
  return Math.floor(value / 2 ** 32);
}

/** Addresses and lengths. Exact below 2^53; what is above is read as some number above. */
export const u64: Field<number> = {
  size: 8,
  big: {
    getter: (offset) => {
      const [high, low] = [getsUnsignedBig32(offset), getsUnsignedBig32(offset + 4)];
      return (bytes, at) => joined(low(bytes, at), high(bytes, at));
    },
    putter: (offset) => {
      const [high, low] = [putsBig32(offset), putsBig32(offset + 4)];
      return (bytes, at, value) => {
        high(bytes, at, highHalf(value));
        low(bytes, at, value);
      };
    },
  },
  little: {
    getter: (offset) => {
      const [low, high] = [getsUnsignedLittle32(offset), getsUnsignedLittle32(offset + 4)];
      return (bytes, at) => joined(low(bytes, at), high(bytes, at));
    },
    putter: (offset) => {
      const [low, high] = [putsLittle32(offset), putsLittle32(offset + 4)];
      return (bytes, at, value) => {
        low(bytes, at, value);
        high(bytes, at, highHalf(value));
      };
    },
  },
};

/** Bytes as they are. The getter copies; the data path reads them in place instead. */
export function octets(size: number): Field<Uint8Array> {
  const access: Access<Uint8Array> = {
    getter: (offset) => (bytes, at) => bytes.slice(at + offset, at + offset + size),
    putter: (offset) => (bytes, at, value) => {
      bytes.fill(0, at + offset, at + offset + size);
      bytes.set(value.subarray(0, size), at + offset);
    },
  };
  return { size, big: access, little: access };
}

/** NUL-padded text, one byte a character (Latin-1). The last byte is always NUL: peers use C strings. */
export function text(size: number): Field<string> {
  const access: Access<string> = {
    getter: (offset) => (bytes, at) => {
      const start = at + offset;
      let out = "";
      for (let i = start; i < start + size && bytes[i] !== 0; i++) out += String.fromCharCode(bytes[i]!);
      return out;
    },
    putter: (offset) => (bytes, at, value) => {
      bytes.fill(0, at + offset, at + offset + size);
      const length = Math.min(value.length, size - 1);
      for (let i = 0; i < length; i++) bytes[at + offset + i] = value.charCodeAt(i);
    },
  };
  return { size, big: access, little: access };
}
