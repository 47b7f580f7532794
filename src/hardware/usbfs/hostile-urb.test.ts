import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../test/fuzz/random.ts";
import { GUARD, hostileUrb, MARGIN } from "../../../test/support/hostile-urb.ts";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { SimulatedUsbfs } from "../../../test/support/simulated-usbfs.ts";
import { Zero } from "../../gadgets/zero.ts";
import { CallList } from "../../linux/call-list.ts";
import { CompletionRounds } from "../../usb/completion-rounds.ts";
import { answerIn } from "../../usb/control-data.ts";
import { EndpointMap } from "../../usb/endpoint-map.ts";
import { TransferStatus, type Urb } from "../../usb/urb.ts";
import { Traffic } from "../traffic.ts";
import type { Transfer } from "../transfer.ts";
import { KernelUrbs } from "./kernel-urb.ts";

const REFUSALS = [0, 0, 0, 0, 0, 2, 12, 12, 22, 28, 90];
const ENDS = [0, 0, 0, -2, -19, -32, -71, -75, -104, -108, -121, -1000];

test("whatever a sink submits, each URB completes once and the kernel keeps to its bytes", onLinux, () => {
  const kernel = new SimulatedUsbfs();
  const zero = new Zero();
  const map = EndpointMap.of(zero.descriptors, zero.speed, 3) as EndpointMap;
  map.select(0, 1);
  const urbs = KernelUrbs.open(kernel.libc) as KernelUrbs;
  urbs.use(3, () => {});
  const loop = new ManualLoop();
  const completed = new Map<Urb, number>();
  const complete = (urb: Urb): void => void completed.set(urb, (completed.get(urb) ?? 0) + 1);
  const due: Transfer[] = [];
  const random = new Random(20_261_121);
  const rounds = new CompletionRounds({ complete, unplugged: assert.fail }, loop);
  const traffic = new Traffic(urbs, map, rounds, 16 << 10, {
    due: (transfer) => void due.push(transfer),
    told: (urb) => (random.oneIn(2) ? answerIn(urb, new Uint8Array(random.below(300))) : undefined),
    cancelled: () => {},
  });
  const submitted: Urb[] = [];
  const calls = new CallList();
  let ended = 0;
  const endSome = (count: number): void => {
    for (; count > 0 && ended < kernel.submitted.length; count--) {
      const seen = kernel.submitted[ended++]!;
      const actual = random.oneIn(3) ? random.below(Math.max(1, seen.length - 8)) : undefined;
      seen.write(new Uint8Array(seen.length));
      const packets = seen.packets.map((length) => ({
        actual: random.below(length + 1),
        status: random.pick(ENDS),
      }));
      seen.end({ status: random.pick(ENDS), packets, ...(actual !== undefined && { actual }) });
    }
    traffic.reap();
    const transfer = due.shift();
    if (transfer !== undefined) {
      traffic.performed(transfer, random.pick([TransferStatus.ok, TransferStatus.stall, undefined]));
      traffic.release();
    }
    loop.settle();
  };
  for (let round = 0; round < 3000; round++) {
    if (random.oneIn(3) && kernel.refusals.length === 0) kernel.refusals.push(random.pick(REFUSALS));
    // Requests for another configuration are among them, and carried out.
    if (map.configuration !== 3) map.configure(3);
    if (map.alternate(0) !== 1) map.select(0, 1);
    const urb = hostileUrb(random, round);
    submitted.push(urb);
    traffic.submit(urb);
    if (random.oneIn(4)) traffic.cancel(random.pick(submitted));
    if (random.oneIn(6)) traffic.discard({ list: calls });
    if (random.oneIn(2)) endSome(random.below(8));
  }
  kernel.refusals.length = 0;
  for (let turn = 0; turn < 10_000 && completed.size < submitted.length; turn++) endSome(100);
  assert.deepEqual(
    submitted
      .filter((urb) => completed.get(urb) !== 1)
      .map(({ tag, type, endpoint }) => [tag, type, endpoint]),
    [],
  );
  assert(traffic.isIdle);
  assert(kernel.submitted.length > 500, `the kernel was given ${kernel.submitted.length} URBs`);
  for (const { tag, buffer } of submitted) {
    const guards = [...buffer.subarray(0, MARGIN), ...buffer.subarray(buffer.length - MARGIN)];
    assert(
      guards.every((byte) => byte === GUARD) || submitted[tag]!.offset !== MARGIN,
      `URB ${tag} reaches beyond its bytes`,
    );
  }
});
