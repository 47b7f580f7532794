import { s32 } from "../../src/wire/field.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import type { Fields } from "../../src/wire/struct.ts";
import { mutateBytes, type Order, putField } from "./mutation.ts";
import type { Random } from "./random.ts";
import { type Outcome, requireSame, requireSameBytes, type Target } from "./target.ts";

/** What every struct is, whatever its fields. */
interface AnyStruct {
  readonly title: string;
  readonly size: number;
  readonly fields: Fields;
  decode(bytes: Uint8Array, at?: number): object;
  encode(value: never): Uint8Array;
}

/** The codec of one fixed-size struct against a reader of its own. */
export class StructTarget implements Target {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  readonly #struct: AnyStruct;
  readonly #order: Order;

  constructor(struct: AnyStruct, order: Order) {
    this.name = struct.title;
    this.#struct = struct;
    this.#order = order;
    const counting = Uint8Array.from({ length: struct.size }, (_, i) => i + 1);
    this.corpus = [counting, new Uint8Array(struct.size), new Uint8Array(struct.size).fill(0xff)];
  }

  mutant(random: Random): Uint8Array {
    return mutateBytes(random.pick(this.corpus), random, this.corpus);
  }

  judge(bytes: Uint8Array, random: Random): Outcome {
    const struct = this.#struct;
    const at = random.oneIn(4) ? random.below(bytes.length + 2) : 0;
    const value = struct.decode(bytes, at);
    if (bytes.length - at < struct.size) {
      if (!(value instanceof ProtocolError)) throw new Error(`${bytes.length - at} bytes were decoded`);
      requireSame(value.code, "TRUNCATED", "code");
      return "error";
    }
    if (value instanceof ProtocolError) throw new Error(`whole bytes were refused: ${value.code}`);
    const own = bytes.subarray(at, at + struct.size);
    requireSameBytes(struct.encode(value as never), this.#reread(own, { ...value }), "encoded again");
    return "value";
  }

  /** Checks each field by reading it another way; gives the bytes that encoding must bring back. */
  #reread(own: Uint8Array, value: Readonly<Record<string, unknown>>): Uint8Array {
    const view = new DataView(own.buffer, own.byteOffset, own.length);
    const little = this.#order === "little";
    const again = new Uint8Array(own.length);
    let at = 0;
    for (const [name, field] of Object.entries(this.#struct.fields)) {
      const bytes = own.subarray(at, at + field.size);
      const seen = value[name];
      if (seen instanceof Uint8Array) {
        requireSameBytes(seen, bytes, name);
        again.set(bytes, at);
      } else if (typeof seen === "string") {
        const nul = bytes.indexOf(0);
        const characters = nul < 0 ? bytes : bytes.subarray(0, nul);
        requireSame(seen, Buffer.from(characters).toString("latin1"), name);
        again.set(characters.subarray(0, field.size - 1), at);
      } else {
        const expected = readNumber(view, at, field.size, little, field === s32);
        requireSame(seen, expected, name);
        if (field.size === 8) putWide(again, at, little, expected);
        else putField(again, at, field.size, this.#order, expected);
      }
      at += field.size;
    }
    return again;
  }
}

function readNumber(view: DataView, at: number, size: number, little: boolean, signed: boolean): number {
  if (size === 1) return view.getUint8(at);
  if (size === 2) return view.getUint16(at, little);
  // Beyond 2^53 some number that is as large.
  if (size === 8) return Number(view.getBigUint64(at, little));
  return signed ? view.getInt32(at, little) : view.getUint32(at, little);
}

function putWide(bytes: Uint8Array, at: number, little: boolean, value: number): void {
  new DataView(bytes.buffer).setBigUint64(at, BigInt.asUintN(64, BigInt(value)), little);
}
