import assert from "node:assert/strict";
import { test } from "node:test";
import { annotatedHex } from "../../../test/support/annotated-hex.ts";
import { configurationBytes } from "./configuration-bytes.ts";

/** Memory from address 4096 on, in which structs are laid out as libusb does. */
class Memory {
  readonly #bytes = new ArrayBuffer(4096);
  #used = 0;

  view(address: number, length: number): ArrayBuffer {
    const bytes = new Uint8Array(this.#bytes, address - 4096, length);
    return bytes.slice().buffer;
  }

  /** Bytes at the front, 64-bit words and 32-bit words at their places. */
  put(size: number, front: Uint8Array, pointers: Readonly<Record<number, number>>, ints = {}): number {
    const at = this.#used;
    this.#used += Math.ceil(size / 8) * 8;
    new Uint8Array(this.#bytes).set(front, at);
    const view = new DataView(this.#bytes);
    for (const [offset, pointer] of Object.entries(pointers)) {
      view.setBigUint64(at + Number(offset), BigInt(pointer), true);
    }
    for (const [offset, int] of Object.entries<number>(ints)) view.setInt32(at + Number(offset), int, true);
    return 4096 + at;
  }
}

const none = new Uint8Array(0);

test("the tree of libusb becomes what the device has sent, descriptors that it does not know included", () => {
  const configuration = annotatedHex("09 02 0000 02 03 04 80 32  wTotalLength is left to us");
  const association = annotatedHex("08 0b 00 02 01 00 00 00  interface association");
  const control = annotatedHex("09 04 00 00 00 01 01 00 00  interface 0");
  const header = annotatedHex("09 24 01 0001 0900 01 01  audio header");
  const idle = annotatedHex("09 04 01 00 00 01 02 00 00  interface 1, alternate setting 0");
  const streaming = annotatedHex("09 04 01 01 02 01 02 00 00  interface 1, alternate setting 1");
  const data = annotatedHex("09 05 01 09 c000 01 00 81  audio endpoint, 9 bytes");
  const classSpecific = annotatedHex("07 25 01 00 00 0000  audio data endpoint");
  const feedback = annotatedHex(
    "07 05 81 03 0300 04  endpoint, 7 bytes; what libusb has behind is not of it",
  );
  const memory = new Memory();
  const bytesAt = (bytes: Uint8Array): number => memory.put(bytes.length, bytes, {});
  // Two struct libusb_endpoint_descriptor, one behind the other.
  const withExtra = memory.put(32, data, { 16: bytesAt(classSpecific) }, { 24: classSpecific.length });
  memory.put(32, Uint8Array.of(...feedback, 0xee, 0xee), {}, { 24: 0 });
  const controlSettings = memory.put(40, control, { 24: bytesAt(header) }, { 32: header.length });
  const streamingSettings = memory.put(40, idle, {}, { 32: 0 });
  memory.put(40, streaming, { 16: withExtra }, { 32: 0 });
  const interfaces = memory.put(16, none, { 0: controlSettings }, { 8: 1 });
  memory.put(16, none, { 0: streamingSettings }, { 8: 2 });
  const tree = memory.put(
    40,
    configuration,
    { 16: interfaces, 24: bytesAt(association) },
    { 32: association.length },
  );
  const expected = Uint8Array.of(
    ...configuration,
    ...association,
    ...control,
    ...header,
    ...idle,
    ...streaming,
    ...data,
    ...classSpecific,
    ...feedback,
  );
  expected[2] = expected.length;
  assert.deepEqual(configurationBytes(memory, tree), expected);
});

test("a configuration without interfaces is its nine bytes", () => {
  const memory = new Memory();
  const tree = memory.put(40, annotatedHex("09 02 0009 00 01 00 80 32"), {}, { 32: 0 });
  assert.deepEqual(configurationBytes(memory, tree), annotatedHex("09 02 0900 00 01 00 80 32"));
});
