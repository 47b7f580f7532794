import assert from "node:assert/strict";
import { test } from "node:test";
import type { RingDevice } from "../../src/ring/guest-device.ts";
import type { RingFigures } from "../../src/ring/ring-figures.ts";
import type { Share } from "../../src/ring/sides.ts";
import type { TransferCounters } from "../../src/usb/transfer-counters.ts";
import { createUrb, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";
import { HeldDevice } from "../support/held-device.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import { RingPair, type RingPairOptions } from "../support/ring-pair.ts";

interface Played {
  readonly loop: ManualLoop;
  readonly pair: RingPair;
  readonly held: HeldDevice;
  readonly device: RingDevice;
  readonly completed: Urb[];
}

function played(options: RingPairOptions = {}, takesSharedData = false): Played {
  const loop = new ManualLoop();
  const pair = new RingPair(loop, options);
  const held = new HeldDevice();
  pair.start();
  const device = pair.attach(held, takesSharedData);
  const completed: Urb[] = [];
  const host = { complete: (urb: Urb) => void completed.push(urb), unplugged: () => {} };
  device.open(host, loop, () => {});
  return { loop, pair, held, device, completed };
}

function submit({ device, loop }: Played, endpoint: number, length: number): void {
  const urb = createUrb(0);
  urb.type = TransferType.bulk;
  urb.endpoint = endpoint;
  urb.length = length;
  urb.buffer = new Uint8Array(length);
  device.submit(urb);
  device.flush();
  loop.settle();
}

function finish({ held, loop }: Played): void {
  for (const urb of held.held.slice()) held.finish(urb);
  loop.settle();
}

function figures({ pair }: Played): { readonly host: RingFigures; readonly guest: RingFigures } {
  const { figures: host } = pair.host;
  const { figures: guest } = pair.guest;
  assert(host !== undefined && guest !== undefined);
  return { host, guest };
}

test("both sides tell how long requests took, half of them and the slowest", () => {
  const play = played();
  for (let i = 0; i < 100; i++) {
    submit(play, 0x81, 512);
    play.loop.advance(i < 98 ? 1 : 10);
    finish(play);
  }
  const { host, guest } = figures(play);
  // Within a sixteenth above what it was.
  const expected = { p50Us: 1_024, p99Us: 10_240, p999Us: 10_240 };
  assert.deepEqual([host.latency, guest.latency], [expected, expected]);
  assert.deepEqual([host.urbs, guest.urbs, host.bytesIn, guest.bytesIn], [100, 100, 51_200, 51_200]);
});

const COPIES: readonly (readonly [string, number, number, boolean, host: number, guest: number])[] = [
  ["IN data in slots", 0x81, 512, false, 0, 1],
  ["OUT data in slots", 0x01, 512, false, 1, 1],
  ["OUT data in slots for a device that hands it on", 0x01, 512, true, 0, 1],
  ["IN data within a message", 0x81, 96, false, 1, 2],
  ["OUT data within a message", 0x01, 96, false, 2, 1],
  ["no data", 0x81, 0, false, 0, 0],
];

for (const [what, endpoint, length, isShared, host, guest] of COPIES) {
  test(`${what}: ${host} copies at the host, ${guest} at the guest`, () => {
    const play = played({}, isShared);
    for (let i = 0; i < 4; i++) {
      submit(play, endpoint, length);
      finish(play);
    }
    const both = figures(play);
    assert.deepEqual([both.host.copiesPerUrb, both.guest.copiesPerUrb], [host, guest]);
  });
}

test("rings and slots are seen in use, and what they had at most stays", () => {
  const play = played();
  const { size } = figures(play).guest.slots;
  for (let i = 0; i < 5; i++) submit(play, 0x81, 3 * size);
  play.loop.advance(1_000);
  const busy = figures(play);
  assert.deepEqual([busy.guest.slots.used, busy.guest.slots.peak, busy.guest.inFlight], [15, 15, 5]);
  assert.deepEqual([busy.host.slots.used, busy.host.slots.peak, busy.host.inFlight], [15, 15, 5]);
  play.pair.isManual = true;
  const before = figures(play).host.incoming.peak;
  finish(play);
  play.pair.host.poll();
  // Answers of 96 bytes, in lines of 64.
  const answered = 5 * 128;
  assert.deepEqual(figures(play).host.outgoing, { size: 64 << 10, used: answered });
  assert.equal(figures(play).guest.incoming.used, answered);
  play.pair.isManual = false;
  play.pair.settle();
  play.loop.advance(1_000);
  const idle = figures(play);
  assert.deepEqual([idle.guest.slots.used, idle.guest.slots.peak, idle.guest.inFlight], [0, 15, 0]);
  assert.deepEqual([idle.host.slots.used, idle.host.slots.peak, idle.host.inFlight], [0, 15, 0]);
  assert.deepEqual([idle.guest.incoming.used, idle.guest.incoming.peak], [0, answered]);
  assert.deepEqual([idle.host.outgoing.used, idle.host.incoming.peak], [0, before]);
});

test("refusals are counted by what they are for, at whom they came from and at whom they were for", () => {
  const play = played({ limits: { urbs: 2, rate: { perSecond: 1, burst: 3 } } });
  submit(play, 0x89, 512);
  for (let i = 0; i < 3; i++) submit(play, 0x81, 512);
  finish(play);
  for (let i = 0; i < 2; i++) submit(play, 0x81, 512);
  submit(play, 0x81, (16 << 20) + 1);
  const { host, guest } = figures(play);
  assert.deepEqual(host.refusals, { noEndpoint: 1, rateLimited: 1 });
  assert.deepEqual(guest.refusals, { invalid: 1, noResource: 1, rateLimited: 1 });
  const refused = play.completed.filter(({ status }) => status !== TransferStatus.ok);
  assert.equal(refused.length, 4);
});

test("a guest that begins anew has figures of its own, under another epoch", () => {
  const play = played();
  submit(play, 0x81, 512);
  finish(play);
  assert.deepEqual([figures(play).host.urbs, figures(play).host.guestEpoch], [1, 1]);
  play.pair.guest.stop(() => {});
  play.pair.settle();
  assert.deepEqual([play.pair.host.figures, play.pair.guest.figures], [undefined, undefined]);
  play.pair.guest = play.pair.newGuest();
  play.pair.guest.start();
  play.loop.advance(1_000);
  play.pair.settle();
  const { host, guest } = figures(play);
  assert.deepEqual([host.urbs, host.hostEpoch, host.guestEpoch, guest.guestEpoch], [0, 1, 2, 2]);
});

test("figures hold whatever the other side writes where its indices stand", () => {
  const play = played();
  const { memory, layout } = play.pair;
  for (const { offset } of [layout.g2h, layout.h2g]) {
    for (const at of [offset, offset + 0x40]) memory.store(at, 0x7fffffc1);
  }
  const { host, guest } = figures(play);
  for (const { used, size } of [host.incoming, host.outgoing, guest.incoming, guest.outgoing]) {
    assert(used >= 0 && used <= size);
  }
});

test("what ends as a device is taken back is counted by the time that this is told", () => {
  const loop = new ManualLoop();
  const pair = new RingPair(loop);
  const held = new HeldDevice();
  pair.start();
  let ended = { urbs: -1, inFlight: -1 };
  let counters: TransferCounters | undefined;
  const share: Share = {
    device: held,
    attached: (of) => {
      counters = of;
      return undefined;
    },
    refused: ({ message }) => assert.fail(message),
    closed: () => {
      const { urbs, inFlight } = counters!.read();
      ended = { urbs, inFlight };
    },
  };
  pair.host.share(share);
  pair.settle();
  const device = pair.devices[0]!;
  device.open({ complete: () => {}, unplugged: () => {} }, loop, () => {});
  for (let i = 0; i < 3; i++) {
    const urb = createUrb(i);
    urb.type = TransferType.bulk;
    urb.endpoint = 0x81;
    device.submit(urb);
  }
  device.flush();
  loop.settle();
  pair.host.withdraw(share, () => {});
  pair.settle();
  assert.deepEqual(ended, { urbs: 3, inFlight: 0 });
});
