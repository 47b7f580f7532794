import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldDevice } from "../../test/support/held-device.ts";
import { type DriverSlot, type Event, XhciDriver } from "../../test/support/xhci-driver.ts";
import { Audio } from "../gadgets/audio.ts";
import { Zero } from "../gadgets/zero.ts";
import { PACKET_WORDS, PacketWord, TransferStatus, UrbFlag } from "../usb/urb.ts";

const NORMAL = 1 << 10;
const ISOCH = 5 << 10;
const [ISP, CH, IOC, BEI] = [4, 0x10, 0x20, 0x200] as const;
const SIA = 1 << 31;

/** DCIs of `HeldDevice`. */
const ISOCH_OUT = 6;
const ISOCH_IN = 7;

function held(): { driver: XhciDriver; device: HeldDevice; slot: DriverSlot } {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.events();
  const slot = driver.addressed(1, device.descriptors, device.speed, 1);
  assert.equal(driver.configure(slot).code, 1);
  return { driver, device, slot };
}

/** Ends the oldest URB with so many bytes in each packet, or with a status. */
function finish(device: HeldDevice, results: readonly (number | { status: TransferStatus })[]): void {
  const urb = device.held[0]!;
  for (const [i, result] of results.entries()) {
    const word = i * PACKET_WORDS;
    const moved = typeof result === "number" ? result : 0;
    urb.packets[word + PacketWord.actualLength] = moved;
    urb.packets[word + PacketWord.status] = typeof result === "number" ? TransferStatus.ok : result.status;
    urb.buffer.fill(i + 1, urb.offset + urb.packets[word]!, urb.offset + urb.packets[word]! + moved);
  }
  device.finish(urb);
}

function brief(events: readonly Event[]): { code: number; length: number; pointer: number }[] {
  return events.map(({ code, length, pointer }) => ({ code, length, pointer }));
}

test("the TDs that stand in the ring are one URB of a packet each", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_IN)!;
  const buffers = [0, 1, 2].map(() => driver.allocate(1024));
  const at = buffers.map((buffer, i) =>
    ring.pushAt(buffer, 1000, ISOCH | SIA | ISP | IOC | (i < 2 ? BEI : 0)),
  );
  driver.doorbell(slot.id, ISOCH_IN);
  driver.loop.settle();
  const [urb] = device.held;
  assert.equal(device.held.length, 1);
  assert.equal(urb!.packetCount, 3);
  assert.equal(urb!.flags & UrbFlag.isoAsap, UrbFlag.isoAsap);
  assert.equal(urb!.interval, 1);
  driver.loop.advance(1);
  const raised = driver.raised.length;
  finish(device, [1000, 400, 0]);
  assert.equal(driver.raised.length, raised + 1, "one interrupt for the TDs of one URB of the guest");
  assert.deepEqual(brief(driver.events()), [
    { code: 1, length: 0, pointer: at[0]! },
    { code: 13, length: 600, pointer: at[1]! },
    { code: 13, length: 1000, pointer: at[2]! },
    { code: 15, length: 0, pointer: 0 },
  ]);
  assert.deepEqual([...driver.data(buffers[1]!, 401)].slice(398), [2, 2, 0]);
});

test("an OUT TD of several TRBs is one packet", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_OUT)!;
  const [first, second] = [driver.allocate(100), driver.allocate(100)];
  driver.data(first, 100).fill(1);
  driver.data(second, 100).fill(2);
  ring.pushAt(first, 100, ISOCH | SIA | CH);
  ring.pushAt(second, 50, NORMAL | IOC);
  ring.pushAt(second, 20, ISOCH | SIA | IOC);
  driver.doorbell(slot.id, ISOCH_OUT);
  driver.loop.settle();
  const [urb] = device.held;
  assert.deepEqual([...urb!.packets.subarray(0, 2)], [0, 150]);
  assert.deepEqual([...urb!.packets.subarray(4, 6)], [150, 20]);
  assert.deepEqual(
    Buffer.from(device.payloads[0]!),
    Buffer.concat([Buffer.alloc(100, 1), Buffer.alloc(70, 2)]),
  );
});

test("a failed packet is told, and the endpoint goes on", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_IN)!;
  const buffer = driver.allocate(1024);
  const at = [0, 1, 2, 3].map(() => ring.pushAt(buffer, 100, ISOCH | SIA | ISP));
  driver.doorbell(slot.id, ISOCH_IN);
  driver.loop.settle();
  finish(device, [
    { status: TransferStatus.protocol },
    100,
    { status: TransferStatus.notDone },
    { status: TransferStatus.overflow },
  ]);
  assert.deepEqual(brief(driver.events()), [
    { code: 4, length: 100, pointer: at[0]! },
    { code: 23, length: 100, pointer: at[2]! },
    { code: 3, length: 100, pointer: at[3]! },
    { code: 15, length: 0, pointer: 0 },
  ]);
  assert.equal(driver.endpointContext(slot, ISOCH_IN).state, 1);
});

test("a ring that runs dry is told of once, and again after it was fed", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_OUT)!;
  for (let round = 0; round < 2; round++) {
    ring.pushAt(driver.allocate(8), 8, ISOCH | SIA | IOC);
    driver.doorbell(slot.id, ISOCH_OUT);
    driver.loop.settle();
    finish(device, [8]);
    driver.doorbell(slot.id, ISOCH_OUT);
    assert.deepEqual(
      driver.events().map(({ code }) => code),
      [1, 14],
    );
  }
});

test("OUT data outside of memory fails its packet alone", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_OUT)!;
  const bad = ring.pushAt(0x7f_0000_0000, 8, ISOCH | SIA | IOC);
  const good = ring.pushAt(driver.allocate(8), 8, ISOCH | SIA | IOC);
  driver.doorbell(slot.id, ISOCH_OUT);
  driver.loop.settle();
  finish(device, [8, 8]);
  assert.deepEqual(
    driver.events().map(({ code, pointer }) => ({ code, pointer })),
    [
      { code: 2, pointer: bad },
      { code: 1, pointer: good },
      { code: 14, pointer: 0 },
    ],
  );
});

test("at most four batches are under way, and the ring is read on as they end", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_IN)!;
  const buffer = driver.allocate(64);
  for (let i = 0; i < 160; i++) ring.pushAt(buffer, 64, ISOCH | SIA | ISP | IOC);
  driver.doorbell(slot.id, ISOCH_IN);
  driver.loop.settle();
  assert.deepEqual(
    device.held.map(({ packetCount }) => packetCount),
    [32, 32, 32, 32],
  );
  finish(
    device,
    Array.from({ length: 32 }, () => 64),
  );
  assert.equal(driver.events().length, 32);
  assert.equal(device.held.length, 4);
});

test("Stop Endpoint tells of the packets that were done, and the ring goes on behind them", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(ISOCH_IN)!;
  const at = [0, 1, 2].map(() => ring.pushAt(driver.allocate(64), 64, ISOCH | SIA | ISP | IOC));
  driver.doorbell(slot.id, ISOCH_IN);
  driver.loop.settle();
  const { packets } = device.held[0]!;
  packets.set([64, TransferStatus.ok], PacketWord.actualLength);
  const before: Event[] = [];
  assert.equal(driver.stopEndpoint(slot, ISOCH_IN, before).code, 1);
  assert.deepEqual(brief(before), [{ code: 1, length: 0, pointer: at[0]! }]);
  assert.deepEqual(driver.endpointContext(slot, ISOCH_IN), { state: 3, dequeue: at[1]!, cycle: 1 });
});

test("a sound card plays and captures at the rate of its bus", () => {
  const driver = new XhciDriver();
  driver.plug(new Audio());
  driver.start();
  const slot = driver.setUp(1, 1, 1, 1);
  slot.map.select(2, 1);
  assert.equal(driver.configure(slot).code, 1);
  assert.equal(driver.control(slot, [0x01, 11, 1, 0, 2, 0, 0, 0]).code, 1);
  const played = driver.allocate(40 * 192);
  driver.data(played, 40 * 192).set(Uint8Array.from({ length: 40 * 192 }, (_, i) => i % 251));
  const captured = driver.allocate(60 * 192);
  for (let i = 0; i < 40; i++) slot.rings.get(2)!.pushAt(played + 192 * i, 192, ISOCH | SIA | IOC);
  for (let i = 0; i < 60; i++) slot.rings.get(5)!.pushAt(captured + 192 * i, 192, ISOCH | SIA | ISP | IOC);
  driver.doorbell(slot.id, 2);
  driver.doorbell(slot.id, 5);
  driver.loop.settle();
  let bytes = 0;
  const heard: number[] = [];
  let packet = 0;
  for (let ms = 0; ms < 80; ms++) {
    driver.loop.advance(1);
    for (const { endpoint, code, length } of driver.events()) {
      if (endpoint !== 5 || (code !== 1 && code !== 13)) continue;
      const moved = 192 - length;
      heard.push(...driver.data(captured + 192 * packet, moved));
      packet++;
      bytes += moved;
    }
  }
  assert.equal(packet, 60);
  assert.equal(bytes, 40 * 192);
  assert.deepEqual(Buffer.from(heard), Buffer.from(driver.data(played, 40 * 192)));
});

test("gadget zero's isochronous data comes as its pattern has it", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero({ pattern: 63 }));
  driver.start();
  const slot = driver.setUp(1, 3, 0, 1);
  const ring = slot.rings.get(5)!;
  const buffer = driver.allocate(4 * 1024);
  for (let i = 0; i < 4; i++) ring.pushAt(buffer + 1024 * i, 1024, ISOCH | SIA | ISP | IOC);
  driver.doorbell(slot.id, 5);
  driver.loop.advance(10);
  const codes = driver.events().map(({ code }) => code);
  assert.deepEqual(codes, [1, 1, 1, 1, 15]);
  assert.deepEqual(
    Buffer.from(driver.data(buffer, 4096)),
    Buffer.from(Uint8Array.from({ length: 4096 }, (_, i) => (i % 1024) % 63)),
  );
});
