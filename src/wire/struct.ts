import type { Field, NumberAccess, NumberField } from "./field.ts";
import { ProtocolError } from "./protocol-error.ts";

// biome-ignore lint/suspicious/noExplicitAny: a table mixes field types, and Field<T> is invariant in T
export type Fields = Readonly<Record<string, Field<any>>>;

type FieldValue<F> = F extends Field<infer T> ? T : never;

/** The decoded form of a struct. */
export type StructValue<F extends Fields> = { readonly [K in keyof F]: FieldValue<F[K]> };

/** Reads one field in place, for the data path: no bounds are checked, the caller has the whole struct. */
type Getters<F extends Fields> = {
  readonly [K in keyof F]: (bytes: Uint8Array, at: number) => FieldValue<F[K]>;
};

type Putters<F extends Fields> = {
  readonly [K in keyof F]: (bytes: Uint8Array, at: number, value: FieldValue<F[K]>) => void;
};

/** Numbers through a DataView that serves many messages, for the data path. No bounds are checked here either. */
type Readers<F extends Fields> = {
  readonly [K in keyof F as F[K] extends NumberField ? K : never]: (view: DataView, at: number) => number;
};

type Writers<F extends Fields> = {
  readonly [K in keyof F as F[K] extends NumberField ? K : never]: (
    view: DataView,
    at: number,
    value: number,
  ) => void;
};

interface Codec<F extends Fields> {
  /** Name of the struct in its document. */
  readonly title: string;
  /** Bytes on the wire. */
  readonly size: number;
  readonly fields: F;
  /** Where each field begins, in bytes. */
  readonly places: { readonly [K in keyof F]: number };
  /** Cold path: all fields as a value, or TRUNCATED. */
  decode(bytes: Uint8Array, at?: number): StructValue<F> | ProtocolError;
  encode(value: StructValue<F>): Uint8Array;
  encodeInto(value: StructValue<F>, bytes: Uint8Array, at: number): void;
  readonly put: Putters<F>;
  readonly read: Readers<F>;
  readonly write: Writers<F>;
}

/** A fixed-size wire struct: its codec, and one getter per field under the field's own name. */
export type Struct<F extends Fields> = Codec<F> & Getters<F>;

type Order = "big" | "little";

function struct<F extends Fields>(order: Order, title: string, fields: F): Struct<F> {
  const getters: Record<string, (bytes: Uint8Array, at: number) => unknown> = {};
  const putters: Record<string, (bytes: Uint8Array, at: number, value: never) => void> = {};
  const readers: Record<string, (view: DataView, at: number) => number> = {};
  const writers: Record<string, (view: DataView, at: number, value: number) => void> = {};
  const places: Record<string, number> = {};
  const names = Object.keys(fields);
  let size = 0;
  for (const name of names) {
    const field = fields[name]!;
    const access = field[order];
    getters[name] = access.getter(size);
    putters[name] = access.putter(size);
    places[name] = size;
    if (isNumeric(access)) {
      readers[name] = access.reader(size);
      writers[name] = access.writer(size);
    }
    size += field.size;
  }

  const codec: Codec<F> = {
    title,
    size,
    fields,
    places: Object.freeze(places) as unknown as Codec<F>["places"],
    decode(bytes, at = 0) {
      if (bytes.length - at < size) {
        return new ProtocolError("TRUNCATED", `${title} has ${bytes.length - at} of its ${size} bytes`);
      }
      const value: Record<string, unknown> = {};
      for (const name of names) value[name] = getters[name]!(bytes, at);
      return value as StructValue<F>;
    },
    encode(value) {
      const bytes = new Uint8Array(size);
      codec.encodeInto(value, bytes, 0);
      return bytes;
    },
    encodeInto(value, bytes, at) {
      for (const name of names) putters[name]!(bytes, at, value[name] as never);
    },
    put: putters as unknown as Putters<F>,
    read: Object.freeze(readers) as unknown as Readers<F>,
    write: Object.freeze(writers) as unknown as Writers<F>,
  };
  return Object.freeze({ ...getters, ...codec }) as unknown as Struct<F>;
}

function isNumeric(access: object): access is NumberAccess {
  return "reader" in access;
}

/** Declares a struct in network byte order. Fields stand in wire order under their document's names. */
export function bigEndian<F extends Fields>(title: string, fields: F): Struct<F> {
  return struct("big", title, fields);
}

/** Declares a struct in USB byte order. Fields stand in wire order under their document's names. */
export function littleEndian<F extends Fields>(title: string, fields: F): Struct<F> {
  return struct("little", title, fields);
}
