import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LoopbackLoad } from "../../../test/ring-processes/loopback-load.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { Zero } from "../../gadgets/zero.ts";
import { RingGuest } from "../../ring/guest.ts";
import type { RingDevice } from "../../ring/guest-device.ts";
import { RingHost } from "../../ring/host.ts";
import { NO_NOTIFY, planLayout, RingHeader } from "../../ring/layout.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import { createUrb } from "../../usb/urb.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { RingPump } from "./ring-pump.ts";
import type { RingSide } from "./ring-side.ts";

/** Long enough to be seen, and shorter than the sleep of a test. */
const LOOK_MS = 5;

/** A side as it is, and how often it was polled. */
class Counted implements RingSide {
  polls = 0;
  readonly #side: RingSide;

  constructor(side: RingSide) {
    this.#side = side;
  }

  poll(): boolean {
    this.polls++;
    return this.#side.poll();
  }

  get hasNews(): boolean {
    this.polls++;
    return this.#side.hasNews;
  }

  sleep(): boolean {
    return this.#side.sleep();
  }

  awake(): void {
    this.#side.awake();
  }
}

async function paired(lookMs: number) {
  const loop = new LibuvLoop(lookMs);
  const layout = planLayout({ total: 4 << 20, slotSize: 4096 });
  assert(!(layout instanceof ProtocolError));
  const memory = new RingMemory(new SharedArrayBuffer(layout.total));
  const host = new RingHost(memory, loop, layout, {
    began: () => {},
    ended: (error) => assert.equal(error, undefined),
    wake: () => loop.soon(() => guestPump.heard()),
    sent: () => hostPump.sent(),
  });
  let came!: (device: RingDevice) => void;
  const given = new Promise<RingDevice>((resolve) => {
    came = resolve;
  });
  const guest = new RingGuest(memory, loop, {
    began: () => {},
    ended: () => {},
    removed: () => {},
    wake: () => loop.soon(() => hostPump.heard()),
    sent: () => guestPump.sent(),
    added: (device) => came(device),
  });
  const sides = [new Counted(host), new Counted(guest)] as const;
  const hostPump = new RingPump(sides[0], loop);
  const guestPump = new RingPump(sides[1], loop);
  host.start();
  guest.start();
  host.share({ device: new Zero(), attached: () => {}, refused: () => {}, closed: () => {} });
  hostPump.heard();
  guestPump.heard();
  const device = await given;
  const stop = (): void => {
    hostPump.stop();
    guestPump.stop();
    guest.stop(() => {});
    host.stop(() => {});
  };
  const polls = (): number => sides[0].polls + sides[1].polls;
  /** The guest asks to be woken up. */
  const sleeps = (): boolean =>
    (memory.load(layout.h2g.offset + RingHeader.consumer_flags) & NO_NOTIFY) === 0;
  return { loop, device, polls, sleeps, stop };
}

for (const lookMs of [0, LOOK_MS]) {
  test(
    `messages pass, and nothing is looked at when there are none, with ${lookMs} ms to look`,
    onLinux,
    async () => {
      const { loop, device, polls, sleeps, stop } = await paired(lookMs);
      const load = new LoopbackLoad(device, loop, () => {});
      load.start();
      while (load.report.messages < 300) await sleep(1);
      await new Promise<void>((resolve) => load.end(resolve));
      assert.deepEqual([load.report.inFlight, load.report.wrong], [0, []]);
      while (!sleeps()) await sleep(1);
      // Signs of life come once a second; between them there is nothing.
      for (let before = Number.NaN; before !== polls(); ) {
        before = polls();
        await sleep(20 * LOOK_MS);
      }
      stop();
    },
  );

  test(
    `a side that has asked for something ${lookMs === 0 ? "sleeps" : "looks for the answer"}, with ${lookMs} ms to look`,
    onLinux,
    async () => {
      const { loop, device, sleeps, stop } = await paired(lookMs);
      const host = { complete: () => {}, unplugged: () => {} };
      device.open(host, loop, () => {});
      while (!sleeps()) await sleep(1);
      const urb = createUrb(0);
      urb.setup.set([0x80, 0x08, 0, 0, 0, 0, 1, 0]);
      urb.buffer = new Uint8Array(1);
      urb.endpoint = 0x80;
      urb.length = 1;
      device.submit(urb);
      device.flush();
      assert.equal(sleeps(), lookMs === 0);
      while (urb.actualLength === 0 || !sleeps()) await sleep(1);
      stop();
    },
  );
}
