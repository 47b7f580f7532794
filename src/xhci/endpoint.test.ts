import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldDevice } from "../../test/support/held-device.ts";
import { type DriverSlot, type Event, XhciDriver } from "../../test/support/xhci-driver.ts";
import { Zero } from "../gadgets/zero.ts";
import { TransferStatus } from "../usb/urb.ts";

const NORMAL = 1 << 10;
const EVENT_DATA = 7 << 10;
const NO_OP = 8 << 10;
const [ISP, CH, IOC, IDT] = [4, 0x10, 0x20, 0x40] as const;

/** DCIs of `HeldDevice`. */
const BULK_OUT = 2;
const BULK_IN = 3;

interface Held {
  readonly driver: XhciDriver;
  readonly device: HeldDevice;
  readonly slot: DriverSlot;
}

/** A device that answers when the test says so, with its endpoints made. */
function held(): Held {
  const driver = new XhciDriver();
  const device = new HeldDevice();
  driver.plug(device);
  driver.start();
  driver.events();
  const slot = driver.addressed(1, device.descriptors, device.speed, 1);
  for (const reset of device.resets.splice(0)) reset(TransferStatus.ok);
  assert.equal(driver.configure(slot).code, 1);
  return { driver, device, slot };
}

function brief(events: readonly Event[]): { code: number; length: number; pointer: number }[] {
  return events.map(({ code, length, pointer }) => ({ code, length, pointer }));
}

test("several TDs of an endpoint are under way at a time and end in order", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const at = [0, 1, 2].map(() => ring.pushAt(driver.allocate(100), 100, NORMAL | IOC | ISP));
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.equal(device.held.length, 3);
  for (const urb of device.held.slice()) device.finish(urb);
  assert.deepEqual(
    brief(driver.events()),
    at.map((pointer) => ({ code: 1, length: 0, pointer })),
  );
});

test("a TD of several TRBs is one URB, whatever its pieces are", () => {
  const { driver, device, slot } = held();
  const pieces = [7, 600, 65536, 1].map((length) => ({ length, at: driver.allocate(length) }));
  for (const [i, { at, length }] of pieces.entries()) driver.data(at, length).fill(i + 1);
  const ring = slot.rings.get(BULK_OUT)!;
  for (const { at, length } of pieces.slice(0, -1)) ring.pushAt(at, length, NORMAL | CH);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  assert.equal(device.held.length, 0, "the end of the TD is still to come");
  const last = ring.pushAt(pieces.at(-1)!.at, 1, NORMAL | IOC);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  assert.equal(device.held.length, 1);
  const expected = Buffer.concat(pieces.map(({ length }, i) => Buffer.alloc(length, i + 1)));
  assert.deepEqual(Buffer.from(device.payloads[0]!), expected);
  device.finish(device.held[0]!);
  assert.deepEqual(brief(driver.events()), [{ code: 1, length: 0, pointer: last }]);
});

test("IN data is scattered over the TRBs of its TD", () => {
  const { driver, device, slot } = held();
  const buffers = [10, 20, 30].map((length) => ({ length, at: driver.allocate(length) }));
  const ring = slot.rings.get(BULK_IN)!;
  for (const [i, { at, length }] of buffers.entries())
    ring.pushAt(at, length, NORMAL | ISP | (i < 2 ? CH : IOC));
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  const data = Uint8Array.from({ length: 60 }, (_, i) => i);
  device.finish(device.held[0]!, TransferStatus.ok, data);
  driver.events();
  assert.deepEqual(
    Buffer.concat(buffers.map(({ at, length }) => driver.data(at, length))),
    Buffer.from(data),
  );
});

test("a short packet is told on the TRB where the data ended, with what is missing there", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const trbs = [100, 100, 100].map((length, i) =>
    ring.pushAt(driver.allocate(100), length, NORMAL | ISP | (i < 2 ? CH : IOC)),
  );
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.ok, new Uint8Array(130));
  assert.deepEqual(brief(driver.events()), [{ code: 13, length: 70, pointer: trbs[1]! }]);
});

test("a short packet without ISP is told where the TD asks for an event", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  ring.pushAt(driver.allocate(100), 100, NORMAL | CH);
  const last = ring.pushAt(driver.allocate(100), 100, NORMAL | IOC);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.ok, new Uint8Array(0));
  assert.deepEqual(brief(driver.events()), [{ code: 13, length: 100, pointer: last }]);
});

test("an Event Data TRB tells its value and the bytes since the one before", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  ring.pushAt(driver.allocate(100), 100, NORMAL | CH);
  ring.push(0x1111, 0x2222, 0, EVENT_DATA | CH | IOC);
  ring.pushAt(driver.allocate(100), 50, NORMAL | CH);
  ring.push(0x3333, 0x4444, 0, EVENT_DATA | IOC);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.ok, new Uint8Array(130));
  assert.deepEqual(
    driver.events().map(({ code, length, pointer, isEventData }) => ({ code, length, pointer, isEventData })),
    [
      { code: 1, length: 100, pointer: 0x2222_0000_1111, isEventData: true },
      { code: 13, length: 30, pointer: 0x4444_0000_3333, isEventData: true },
    ],
  );
});

test("after a short packet only one Event Data TRB is told of", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  ring.pushAt(driver.allocate(100), 100, NORMAL | CH);
  ring.push(1, 0, 0, EVENT_DATA | CH | IOC);
  ring.pushAt(driver.allocate(100), 100, NORMAL | CH);
  ring.push(2, 0, 0, EVENT_DATA | IOC);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.ok, new Uint8Array(30));
  assert.deepEqual(brief(driver.events()), [{ code: 13, length: 30, pointer: 1 }]);
});

test("immediate data stands in the TRB itself", () => {
  const { driver, device, slot } = held();
  slot.rings.get(BULK_OUT)!.push(0x0403_0201, 0x0000_0605, 6, NORMAL | IDT | IOC);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  assert.deepEqual([...device.payloads[0]!], [1, 2, 3, 4, 5, 6]);
});

test("a zero-length TD is a zero-length URB, both ways", () => {
  const { driver, device, slot } = held();
  for (const dci of [BULK_OUT, BULK_IN]) {
    const at = slot.rings.get(dci)!.push(0, 0, 0, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, dci);
    driver.loop.settle();
    assert.equal(device.held[0]!.length, 0);
    device.finish(device.held[0]!);
    assert.deepEqual(brief(driver.events()), [{ code: 1, length: 0, pointer: at }]);
  }
});

test("a TD that does nothing ends in its turn", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const first = ring.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
  ring.push(0, 0, 0, NO_OP | CH);
  const nothing = ring.push(0, 0, 0, NO_OP | IOC);
  driver.doorbell(slot.id, BULK_IN);
  assert.deepEqual(driver.events(), []);
  device.finish(device.held[0]!);
  assert.deepEqual(
    brief(driver.events()).map(({ pointer }) => pointer),
    [first, nothing],
  );
});

test("a TD goes on across a Link TRB", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_OUT)!;
  for (let i = 0; i < 254; i++) ring.push(0, 0, 0, NO_OP);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  ring.push(0x11, 0, 1, NORMAL | IDT | CH);
  ring.push(0x22, 0, 1, NORMAL | IDT | IOC);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  assert.deepEqual([...device.payloads[0]!], [0x11, 0x22]);
});

test("a stall halts the endpoint; after Reset Endpoint and Set TR Dequeue it goes on", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const start = ring.enqueue;
  const failed = ring.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
  ring.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!, TransferStatus.stall, new Uint8Array(0));
  assert.deepEqual(brief(driver.events()), [{ code: 6, length: 64, pointer: failed }]);
  assert.deepEqual(driver.endpointContext(slot, BULK_IN), { state: 2, dequeue: start, cycle: 1 });
  assert.equal(device.held.length, 0, "what was behind it is taken back");
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.equal(device.held.length, 0, "a halted endpoint hears no doorbell");
  assert.equal(driver.resetEndpoint(slot, BULK_IN).code, 1);
  assert.equal(driver.setDequeue(slot, BULK_IN, start + 16, 1).code, 1);
  assert.deepEqual(driver.endpointContext(slot, BULK_IN), { state: 3, dequeue: start + 16, cycle: 1 });
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!);
  assert.deepEqual(brief(driver.events()), [{ code: 1, length: 0, pointer: start + 16 }]);
  assert.equal(driver.endpointContext(slot, BULK_IN).state, 1);
});

test("every way to fail has its completion code", () => {
  const codes: [TransferStatus, number][] = [
    [TransferStatus.stall, 6],
    [TransferStatus.overflow, 3],
    [TransferStatus.timeout, 4],
    [TransferStatus.protocol, 4],
    [TransferStatus.crc, 4],
    [TransferStatus.underrun, 2],
    [TransferStatus.overrun, 2],
    [TransferStatus.disconnected, 4],
    [TransferStatus.noMemory, 2],
  ];
  for (const [status, code] of codes) {
    const { driver, device, slot } = held();
    slot.rings.get(BULK_IN)!.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, BULK_IN);
    driver.loop.settle();
    device.finish(device.held[0]!, status, new Uint8Array(0));
    assert.equal(driver.events()[0]!.code, code);
    assert.equal(driver.endpointContext(slot, BULK_IN).state, 2);
  }
});

test("Stop Endpoint tells what had ended, then how far the oldest came, and shows where the ring goes on", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const buffer = driver.allocate(100);
  const at = [0, 1, 2].map((i) =>
    ring.pushAt(i === 1 ? buffer : driver.allocate(100), 100, NORMAL | IOC | ISP),
  );
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  device.finish(device.held[0]!);
  const [second] = device.held;
  second!.buffer.set([9, 8, 7], second!.offset);
  second!.actualLength = 3;
  const before: Event[] = [];
  const done = driver.stopEndpoint(slot, BULK_IN, before);
  assert.deepEqual(brief(before), [
    { code: 1, length: 0, pointer: at[0]! },
    { code: 26, length: 97, pointer: at[1]! },
  ]);
  assert.equal(done.code, 1);
  assert.deepEqual(driver.endpointContext(slot, BULK_IN), { state: 3, dequeue: at[1]!, cycle: 1 });
  assert.deepEqual([...driver.data(buffer, 3)], [9, 8, 7]);

  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.deepEqual(
    device.held.map(({ length }) => length),
    [97, 100],
    "what had moved is not asked for again",
  );
  device.finish(device.held[0]!, TransferStatus.ok, Uint8Array.of(6, 5));
  assert.deepEqual(brief(driver.events()), [{ code: 13, length: 95, pointer: at[1]! }]);
  assert.deepEqual([...driver.data(buffer, 5)], [9, 8, 7, 6, 5]);
});

test("an OUT that was stopped in the midst goes on behind what had moved", () => {
  const { driver, device, slot } = held();
  const data = driver.allocate(100);
  driver.data(data, 100).set(Uint8Array.from({ length: 100 }, (_, i) => i));
  const at = slot.rings.get(BULK_OUT)!.pushAt(data, 100, NORMAL | IOC);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  device.held[0]!.actualLength = 64;
  assert.equal(driver.stopEndpoint(slot, BULK_OUT).code, 1);
  driver.doorbell(slot.id, BULK_OUT);
  driver.loop.settle();
  assert.deepEqual(
    [...device.payloads[1]!],
    Array.from({ length: 36 }, (_, i) => 64 + i),
  );
  device.finish(device.held[0]!);
  assert.deepEqual(brief(driver.events()), [{ code: 1, length: 0, pointer: at }]);
});

test("a transfer that ended while it was being cancelled is told of as ended", () => {
  const { driver, device, slot } = held();
  const at = slot.rings.get(BULK_IN)!.pushAt(driver.allocate(100), 100, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  const [urb] = device.held;
  device.cancel = () => {};
  device.flush = () => {
    device.flush = () => {};
    device.finish(urb!, TransferStatus.ok, new Uint8Array(40));
  };
  const before: Event[] = [];
  assert.equal(driver.stopEndpoint(slot, BULK_IN, before).code, 1);
  assert.deepEqual(brief(before), [{ code: 13, length: 60, pointer: at }]);
  assert.equal(driver.endpointContext(slot, BULK_IN).dequeue, at + 16);
});

test("Stop Endpoint waits for a device that does not let go, and an abort of the ring does not", () => {
  const { driver, device, slot } = held();
  slot.rings.get(BULK_IN)!.pushAt(driver.allocate(100), 100, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  const [urb] = device.held;
  device.cancel = () => {};
  driver.commands.push(0, 0, 0, (15 << 10) | (BULK_IN << 16) | (slot.id << 24));
  driver.commands.push(0, 0, 0, 23 << 10);
  driver.doorbell(0, 0);
  assert.deepEqual(driver.events(), []);
  driver.write(0x40 + 0x18, 4);
  assert.equal(driver.read(0x40 + 0x18) & 8, 0, "CRR");
  assert.deepEqual(
    driver.events().map(({ type, code }) => ({ type, code })),
    [
      { type: 33, code: 25 },
      { type: 33, code: 24 },
    ],
  );
  device.finish(urb!, TransferStatus.cancelled, new Uint8Array(0));
  driver.doorbell(0, 0);
  assert.deepEqual(
    driver.events().map(({ type, code }) => ({ type, code })),
    [
      { type: 32, code: 26 },
      { type: 33, code: 1 },
    ],
  );
  assert.equal(driver.endpointContext(slot, BULK_IN).state, 3);
});

test("more TDs than may be under way wait in the ring", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const buffer = driver.allocate(16);
  for (let i = 0; i < 100; i++) ring.pushAt(buffer, 16, NORMAL | IOC | ISP);
  driver.doorbell(slot.id, BULK_IN);
  driver.loop.settle();
  assert.equal(device.held.length, 32);
  let ended = 0;
  while (device.held.length > 0) {
    device.finish(device.held[0]!);
    ended += driver.events().length;
  }
  assert.equal(ended, 100);
});

test("a stall on the control endpoint halts it, and a new transfer follows", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  const { code, events } = driver.control(slot, [0xc0, 0x99, 0, 0, 0, 0, 8, 0]);
  assert.equal(code, 6);
  assert.equal(events.at(-1)!.length, 8, "nothing of the data stage has come");
  assert.equal(driver.endpointContext(slot, 1).state, 2);
  assert.equal(driver.resetEndpoint(slot, 1).code, 1);
  const ring = slot.rings.get(1)!;
  assert.equal(driver.setDequeue(slot, 1, ring.enqueue, ring.cycle).code, 1);
  assert.equal(driver.control(slot, [0x80, 0, 0, 0, 0, 0, 2, 0]).code, 1);
});

test("control data in both directions, and a short read with what is missing", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  const out = Uint8Array.from({ length: 300 }, (_, i) => i);
  assert.equal(driver.control(slot, [0x40, 0x5b, 0, 0, 0, 0, 300 & 255, 300 >> 8], out).code, 1);
  assert.deepEqual(driver.control(slot, [0xc0, 0x5c, 0, 0, 0, 0, 300 & 255, 300 >> 8]).data, out);
  assert.equal(driver.control(slot, [0x80, 6, 0, 1, 0, 0, 255, 0]).data.length, 18);
});

test("wLength may be more than the Data stage has room for", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  const ring = slot.rings.get(1)!;
  const buffer = driver.allocate(32);
  ring.push(0x0100_0680, 0x0012_0000, 8, (2 << 10) | IDT | (3 << 16));
  ring.pushAt(buffer, 8, (3 << 10) | ISP | (1 << 16));
  ring.push(0, 0, 0, (4 << 10) | IOC);
  driver.doorbell(slot.id, 1);
  assert.deepEqual(
    driver.events().map(({ code, length }) => ({ code, length })),
    [{ code: 1, length: 0 }],
  );
  assert.deepEqual([...driver.data(buffer, 10)], [18, 1, 0, 2, 0xff, 0, 0, 64, 0, 0]);
});

test("Event Data TRBs behind the Data and the Status stage are both told of", () => {
  const driver = new XhciDriver();
  driver.plug(new Zero());
  driver.start();
  const slot = driver.setUp(1, 3);
  const ring = slot.rings.get(1)!;
  const buffer = driver.allocate(64);
  ring.push(0x0100_0680, 0x0040_0000, 8, (2 << 10) | IDT | (3 << 16));
  ring.pushAt(buffer, 64, (3 << 10) | CH | (1 << 16));
  ring.push(0xaa, 0, 0, EVENT_DATA | IOC);
  ring.push(0, 0, 0, (4 << 10) | CH);
  ring.push(0xbb, 0, 0, EVENT_DATA | IOC);
  driver.doorbell(slot.id, 1);
  assert.deepEqual(brief(driver.events()), [
    { code: 13, length: 18, pointer: 0xaa },
    { code: 1, length: 0, pointer: 0xbb },
  ]);
});

test("SET_ADDRESS never reaches the device", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(1)!;
  ring.push(0x0005_0500, 0, 8, (2 << 10) | IDT);
  ring.push(0, 0, 0, (4 << 10) | IOC | (1 << 16));
  driver.doorbell(slot.id, 1);
  assert.equal(driver.events()[0]!.code, 6);
  assert.equal(device.held.length, 0);
});

test("data outside of memory fails its transfer alone", () => {
  for (const dci of [BULK_OUT, BULK_IN]) {
    const { driver, device, slot } = held();
    const at = slot.rings.get(dci)!.pushAt(0x7f_0000_0000, 64, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, dci);
    driver.loop.settle();
    for (const urb of device.held.slice()) device.finish(urb);
    assert.deepEqual(brief(driver.events()), [{ code: 2, length: 64, pointer: at }]);
    assert.equal(driver.endpointContext(slot, dci).state, 2);
    assert.equal(driver.usbsts & 0x1004, 0, "neither HSE nor HCE");
  }
});

test("a ring that leads out of memory is a TRB Error, told behind what stood before it", () => {
  const { driver, device, slot } = held();
  const ring = slot.rings.get(BULK_IN)!;
  const at = ring.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
  ring.pushAt(0x7f_0000_0000, 0, 6 << 10);
  driver.doorbell(slot.id, BULK_IN);
  assert.deepEqual(driver.events(), []);
  device.finish(device.held[0]!);
  assert.deepEqual(
    brief(driver.events()).map(({ code, pointer }) => ({ code, pointer })),
    [
      { code: 1, pointer: at },
      { code: 5, pointer: 0x7f_0000_0000 },
    ],
  );
  assert.equal(driver.endpointContext(slot, BULK_IN).state, 4);
  const fresh = driver.allocate(4096, 4096);
  assert.equal(driver.setDequeue(slot, BULK_IN, fresh, 1).code, 1);
  assert.equal(driver.endpointContext(slot, BULK_IN).state, 3);
});
