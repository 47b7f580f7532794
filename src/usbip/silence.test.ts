import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualLoop } from "../../test/support/manual-loop.ts";
import { Silence } from "./silence.ts";

function watched(loop: ManualLoop): { readonly silence: Silence; readonly parts: number[] } {
  const parts: number[] = [];
  const silence = new Silence(loop, (silent) => parts.push(silent));
  silence.start();
  return { silence, parts };
}

test("the parts in which nothing was heard are counted in a row", () => {
  const loop = new ManualLoop();
  const { silence, parts } = watched(loop);
  loop.advance(5_000);
  silence.heard();
  loop.advance(5_000);
  assert.deepEqual(parts, [1, 2, 0, 1]);
  silence.stop();
  loop.advance(5_000);
  assert.deepEqual([parts.length, loop.timers], [4, 0]);
});

test("a process that was held up has not listened", () => {
  /** Its timers come late, as in a process that was stopped meanwhile. */
  class LateLoop extends ManualLoop {
    lateMs = 0;
    override now(): number {
      return super.now() + this.lateMs;
    }
  }
  const loop = new LateLoop();
  const { parts } = watched(loop);
  loop.advance(5_000);
  loop.lateMs = 30_000;
  loop.advance(2_500);
  loop.advance(2_500);
  assert.deepEqual(parts, [1, 2, 0, 1]);
});
