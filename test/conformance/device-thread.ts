/** A thread that has a device and never returns to its event loop: a host of the ring that waits by `Atomics.wait`. */
import assert from "node:assert/strict";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Zero } from "../../src/gadgets/zero.ts";
import { RingHost } from "../../src/ring/host.ts";
import { Control, planLayout, Side } from "../../src/ring/layout.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import { WaitPolicy } from "../../src/ring/wait-policy.ts";
import { Speed } from "../../src/usb/speed.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { ManualLoop } from "../support/manual-loop.ts";

export interface ThreadStart {
  readonly memory: SharedArrayBuffer;
  /** What this thread is to do: one word of `Order`. */
  readonly orders: SharedArrayBuffer;
}

export const Order = { none: 0, unplug: 1, stop: 2 } as const;

/** Timers are looked at this often while nothing is to be done. */
const SLEEP_MS = 2;

function serve(port: MessagePort, { memory: shared, orders: ordered }: ThreadStart): void {
  const layout = planLayout({ total: shared.byteLength });
  assert(!(layout instanceof ProtocolError));
  const memory = new RingMemory(shared);
  const orders = new Int32Array(ordered);
  const loop = new ManualLoop();
  const zero = new Zero({ speed: Speed.high });
  const host = new RingHost(memory, loop, layout, {
    wake: () => port.postMessage("look"),
    began: () => {},
    ended: () => {},
  });
  host.share({ device: zero, attached: () => {}, refused: () => {}, closed: () => {} });
  host.start();

  const policy = new WaitPolicy(0.05);
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  const bellAt = Control.guest + Side.bell;
  let heard = 0;
  let found = false;
  let lastMs = performance.now();
  const end = { isReached: false };
  while (!end.isReached) {
    switch (policy.next(found, () => performance.now())) {
      case "poll": {
        const nowMs = performance.now();
        loop.advance(nowMs - lastMs);
        lastMs = nowMs;
        found = host.poll();
        break;
      }
      case "yield":
        Atomics.wait(nobody, 0, 0, 0.001);
        found = false;
        break;
      case "announce":
        // Read before the look: a bell that rings behind it has changed.
        heard = memory.load(bellAt) | 0;
        found = !host.sleep();
        break;
      case "block":
        Atomics.wait(memory.words, bellAt >> 2, heard, SLEEP_MS);
        host.awake();
        found = false;
        switch (Atomics.exchange(orders, 0, Order.none)) {
          case Order.unplug:
            zero.unplug();
            break;
          case Order.stop:
            host.stop(() => {
              end.isReached = true;
            });
            loop.advance(1000);
        }
    }
  }
}

if (parentPort !== null) serve(parentPort, workerData as ThreadStart);
