import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Urb } from "../../src/usb/urb.ts";
import { ImportedWire, retSubmit, retUnlink } from "../support/usbip-wire-server.ts";
import { joined, mutateBytes } from "./mutation.ts";
import { Random } from "./random.ts";
import { cut } from "./target.ts";

/** What real kernels were answered, for the mutations to borrow from. */
const recording: { readonly sessions: Record<string, readonly (readonly ["C" | "S", string])[]> } =
  JSON.parse(readFileSync(new URL("../../../test/vectors/vhci-6.12-sessions.json", import.meta.url), "utf8"));
const RECORDED = Object.values(recording.sessions)
  .flat()
  .filter(([side]) => side === "S")
  .map(([, hex]) => Uint8Array.from(Buffer.from(hex, "hex")));

const INPUTS = 4_000;
const SEED = 4711;
const PACKETS = [
  [0, 64],
  [64, 64],
] as const;

/** Some requests in flight, some of them cancelled, and the right answers to them. */
function inFlight(wire: ImportedWire, random: Random): { urbs: Urb[]; replies: Uint8Array[] } {
  const urbs: Urb[] = [];
  const replies: Uint8Array[] = [];
  for (let count = 1 + random.below(6); count > 0; count--) {
    const kind = random.below(3);
    const urb =
      kind === 0
        ? wire.submit(0x81, 512)
        : kind === 1
          ? wire.submit(1, 512)
          : wire.submit(0x83, 128, PACKETS);
    urbs.push(urb);
    const { seqnum } = wire;
    const data = new Uint8Array(kind === 1 ? 0 : random.below(65)).fill(1);
    const packets = PACKETS.map(([at, length], i) => [at, length, i === 0 ? data.length : 0, 0] as const);
    const reply = retSubmit(seqnum, kind === 2 ? { data, packets } : { data });
    if (random.oneIn(3)) {
      wire.cancel(urb);
      const early = random.oneIn(2);
      replies.push(...(early ? [retUnlink(wire.seqnum, -104)] : [reply, retUnlink(wire.seqnum, 0)]));
    } else replies.push(reply);
  }
  return { urbs, replies };
}

test("right answers cut anywhere are taken, and bent ones never throw, hang or complete a URB twice", () => {
  let taken = 0;
  for (let input = 0; input < INPUTS; input++) {
    const random = new Random(SEED, input);
    const wire = new ImportedWire();
    const { urbs, replies } = inFlight(wire, random);
    const right = joined(replies);
    const isBent = !random.oneIn(4);
    const bytes = isBent ? mutateBytes(right, random, RECORDED) : right;
    for (const piece of cut(bytes, random)) wire.reply(piece);
    const what = `seed ${SEED}, input ${input}`;
    if (!isBent) {
      assert.equal(wire.ended, undefined, what);
      assert.equal(wire.completions.length, urbs.length, what);
    }
    if (wire.ended === undefined) taken++;
    wire.loop.advance(random.below(2_000));
    wire.device.disconnected();
    wire.loop.settle();
    assert.deepEqual(
      wire.completions.map(([tag]) => tag).toSorted((a, b) => a - b),
      urbs.map(({ tag }) => tag),
      what,
    );
    assert.equal(wire.unplugs, 1, what);
    assert.equal(wire.loop.timers, 0, what);
  }
  assert(taken > INPUTS / 4 && taken < INPUTS, `${taken} of ${INPUTS} were taken`);
});

test("noise ends the session at its first whole header", () => {
  for (let input = 0; input < INPUTS; input++) {
    const random = new Random(SEED + 1, input);
    const wire = new ImportedWire();
    wire.submit(0x81, 512);
    const noise = Uint8Array.from({ length: 48 + random.below(200) }, () => random.below(256));
    for (const piece of cut(noise, random)) wire.reply(piece);
    assert.equal(wire.ended?.code, "BAD_COMMAND");
    assert.equal(wire.unplugs, 1);
  }
});
