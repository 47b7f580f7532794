import assert from "node:assert/strict";
import { test } from "node:test";
import { WholePiece } from "./whole-piece.ts";

const STREAM = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
/** Pieces of the stream, of 4, 2 and 3 bytes. */
const PIECES = [
  [1, 2, 3, 4],
  [5, 6],
  [7, 8, 9],
];

test("pieces come whole, wherever the stream is cut once or twice", () => {
  for (let first = 0; first <= STREAM.length; first++) {
    for (let second = first; second <= STREAM.length; second++) {
      const piece = new WholePiece(4);
      const found: number[][] = [];
      for (const bytes of [
        STREAM.subarray(0, first),
        STREAM.subarray(first, second),
        STREAM.subarray(second),
      ]) {
        let at = 0;
        while (found.length < PIECES.length) {
          const size = PIECES[found.length]!.length;
          const next = piece.gather(bytes, at, size);
          if (next < 0) break;
          const isHere = next - at === size;
          found.push(Array.from(isHere ? bytes.subarray(at, next) : piece.bytes.subarray(0, size)));
          at = next;
        }
      }
      assert.deepEqual(found, PIECES, `cut at ${first} and ${second}`);
    }
  }
});
