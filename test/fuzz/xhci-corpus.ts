import { Keyboard } from "../../src/gadgets/keyboard.ts";
import { Zero } from "../../src/gadgets/zero.ts";
import { StubbornDevice } from "../support/stubborn-device.ts";
import { type DriverSlot, MEMORY_AT, XhciDriver } from "../support/xhci-driver.ts";
import type { Random } from "./random.ts";

/** What a driver does, as records of 12 bytes. */
export const RECORD = 12;
export const Step = { register: 0, memory: 1, time: 2, unplug: 3 } as const;

export interface Record {
  readonly step: number;
  /** Offset of a register, or in memory; a port. */
  readonly place: number;
  readonly value: number;
}

export function recordAt(bytes: Uint8Array, at: number): Record {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { step: bytes[at]! & 3, place: view.getUint32(at + 4, true), value: view.getUint32(at + 8, true) };
}

function encode({ step, place, value }: Record): Buffer {
  const bytes = Buffer.alloc(RECORD);
  bytes[0] = step;
  bytes.writeUInt32LE(place >>> 0, 4);
  bytes.writeUInt32LE(value >>> 0, 8);
  return bytes;
}

/** Writes down what it does to registers and memory. */
class RecordedDriver extends XhciDriver {
  readonly records: Record[] = [];
  stubborn: StubbornDevice | undefined;

  override store(address: number, words: readonly number[]): void {
    super.store(address, words);
    for (const [i, value] of words.entries()) {
      this.records.push({ step: Step.memory, place: address - MEMORY_AT + 4 * i, value });
    }
  }

  override write(offset: number, value: number): void {
    super.write(offset, value);
    this.records.push({ step: Step.register, place: offset, value });
  }

  pass(ms: number): void {
    this.loop.advance(ms);
    this.stubborn?.finishAll({ transfer: ms, packet: ms });
    this.records.push({ step: Step.time, place: 0, value: ms });
  }
}

const NORMAL = 1 << 10;
const ISOCH = 5 << 10;
const [ISP, CH, IOC, IDT] = [4, 0x10, 0x20, 0x40] as const;

/** A zero at port 1, a keyboard at port 2, and at port 3 a device that lets go of nothing before time passes. */
export function plugDevices(driver: XhciDriver): StubbornDevice {
  const stubborn = new StubbornDevice();
  driver.plug(new Zero());
  driver.plug(new Keyboard({ text: "fuzz" }));
  driver.plug(stubborn);
  return stubborn;
}

type Story = (driver: RecordedDriver) => void;

function zero(driver: RecordedDriver, alternate = 0): DriverSlot {
  driver.events();
  return driver.setUp(1, 3, 0, alternate);
}

const STORIES: readonly Story[] = [
  (driver) => {
    const slot = zero(driver);
    for (const length of [64, 5000])
      slot.rings.get(3)!.pushAt(driver.allocate(length), length, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, 3);
    driver.events();
    slot.rings.get(2)!.pushAt(driver.allocate(100), 100, NORMAL | CH);
    slot.rings.get(2)!.push(0, 0, 8, NORMAL | IDT | CH);
    slot.rings.get(2)!.push(0x55, 0x66, 0, (7 << 10) | IOC);
    driver.doorbell(slot.id, 2);
    driver.events();
    driver.stopEndpoint(slot, 3);
    driver.setDequeue(slot, 3, slot.rings.get(3)!.enqueue, slot.rings.get(3)!.cycle);
    slot.rings.get(3)!.pushAt(driver.allocate(64), 64, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, 3);
    driver.events();
    driver.command(0, 0, 0, (10 << 10) | (slot.id << 24));
  },
  (driver) => {
    const slot = zero(driver, 1);
    for (const dci of [4, 5]) {
      for (let i = 0; i < 12; i++)
        slot.rings.get(dci)!.pushAt(driver.allocate(1024), 1024, ISOCH | IOC | ISP);
      driver.doorbell(slot.id, dci);
    }
    driver.pass(4);
    driver.events();
    driver.stopEndpoint(slot, 5);
    driver.pass(20);
    driver.events();
  },
  (driver) => {
    driver.events();
    const slot = driver.setUp(2, 1);
    slot.rings.get(3)!.pushAt(driver.allocate(8), 8, NORMAL | IOC | ISP);
    driver.doorbell(slot.id, 3);
    driver.pass(20);
    driver.events();
    driver.control(slot, [0xa1, 0x99, 0, 0, 0, 0, 8, 0]);
    driver.resetEndpoint(slot, 1);
    driver.setDequeue(slot, 1, slot.rings.get(1)!.enqueue, slot.rings.get(1)!.cycle);
    driver.writePortsc(2, (1 << 16) | (3 << 5));
    driver.pass(1);
    driver.writePortsc(2, 1 << 16);
    driver.write(0x40 + 0x18, 4);
    driver.events();
    driver.write(0x40, 0);
    driver.write(0x40, 1 << 8);
    driver.restoreEvents();
    driver.write(0x40, 1 << 9);
    driver.write(0x40, 5);
    driver.events();
  },
  (driver) => {
    driver.events();
    driver.resetPort(3);
    const { descriptors, speed } = driver.stubborn!;
    const slot = driver.addressed(3, descriptors, speed, 1);
    driver.configure(slot);
    for (const dci of [2, 3, 5]) {
      for (let i = 0; i < 3; i++) {
        slot.rings.get(dci)!.pushAt(driver.allocate(100), 60, NORMAL | CH);
        slot.rings.get(dci)!.pushAt(driver.allocate(100), 60, NORMAL | IOC | ISP);
      }
      driver.doorbell(slot.id, dci);
      driver.loop.settle();
    }
    for (let i = 0; i < 4; i++) slot.rings.get(7)!.pushAt(driver.allocate(64), 64, ISOCH | IOC | ISP);
    driver.doorbell(slot.id, 7);
    driver.loop.settle();
    driver.commands.push(0, 0, 0, (15 << 10) | (3 << 16) | (slot.id << 24));
    driver.doorbell(0, 0);
    driver.loop.settle();
    driver.pass(70);
    driver.events();
    slot.rings.get(2)!.pushAt(driver.allocate(64), 64, NORMAL | IOC);
    driver.doorbell(slot.id, 2);
    driver.loop.settle();
    driver.configure(slot);
    driver.command(0, 0, 0, (10 << 10) | (slot.id << 24));
    driver.pass(30);
    driver.events();
  },
];

function record(story: Story): readonly Buffer[] {
  const driver = new RecordedDriver({ eventSegments: [32, 16] });
  driver.stubborn = plugDevices(driver);
  driver.start();
  story(driver);
  return driver.records.map(encode);
}

/** Sessions of a driver that does all right. */
export const DRIVER_TALK: readonly (readonly Buffer[])[] = STORIES.map(record);

const HIGH = Math.floor(MEMORY_AT / 2 ** 32);
const LOW = MEMORY_AT % 2 ** 32;
export const MEMORY_USED = 256 << 10;

/** Where devices may only read, and nothing is mapped: as far from the guest's memory as these are, below the same high word. */
const TO_READ_ONLY = 0x40_0000;
const TO_NOWHERE = 0x80_0000;
export const READ_ONLY_AT = MEMORY_AT + TO_READ_ONLY;

/** A session in which some things are not as they should be. */
export function mutateDriver(random: Random): Uint8Array {
  const records: Buffer[] = random.pick(DRIVER_TALK).map((bytes) => Buffer.from(bytes));
  for (let times = 1 + random.below(6); times > 0; times--) {
    const at = random.below(records.length);
    const bytes = records[at]!;
    switch (random.below(9)) {
      case 0:
        bytes.writeUInt32LE((bytes.readUInt32LE(8) ^ (1 << random.below(32))) >>> 0, 8);
        break;
      case 1:
        bytes.writeUInt32LE(random.pick([0, 1, 0xffff_ffff, LOW, random.next()]), 8);
        break;
      case 2:
        records.splice(at, 1 + random.below(4));
        break;
      case 3:
        records.splice(at, 0, ...records.slice(at, at + 1 + random.below(20)));
        break;
      case 4:
        records.splice(
          at,
          0,
          encode({ step: Step.register, place: anyRegister(random), value: random.next() }),
        );
        break;
      case 5:
        endlessRing(records, at, random);
        break;
      case 6:
        records.splice(at, 0, encode({ step: Step.unplug, place: 1 + random.below(3), value: 0 }));
        break;
      case 7:
        records.splice(at, 0, encode({ step: Step.time, place: 0, value: random.below(3000) }));
        break;
      case 8:
        pointElsewhere(records, at, random);
        break;
    }
    if (records.length === 0) break;
  }
  return Buffer.concat(records);
}

function anyRegister(random: Random): number {
  return random.pick([
    0x40 + 4 * random.below(16),
    0x440 + 4 * random.below(64),
    0x1020 + 4 * random.below(32),
    0x2000 + 4 * random.below(66),
    4 * random.below(0x1000),
    random.next(),
  ]);
}

/** The next TRB that the driver writes comes round to itself: as a link, or a TD, or TDs that do nothing. */
function endlessRing(records: Buffer[], at: number, random: Random): void {
  const first = records.findIndex((_, i) => i >= at && isTrb(records, i));
  if (first < 0) return;
  const place = records[first]!.readUInt32LE(4);
  const cycle = records[first + 3]!.readUInt32LE(8) & 1;
  const link = [LOW + place, HIGH, 0, (6 << 10) | cycle];
  const nothing = [0, 0, 0, random.pick([NORMAL | CH, 8 << 10, (8 << 10) | CH, 23 << 10]) | cycle];
  const trbs = random.oneIn(3) ? link : [...nothing, ...link];
  records.splice(
    first,
    4,
    ...trbs.map((value, i) => encode({ step: Step.memory, place: place + 4 * i, value })),
  );
}

/** Whether four words of a TRB are written here, one after the other. */
function isTrb(records: readonly Buffer[], at: number): boolean {
  const place = records[at]!.readUInt32LE(4);
  if (place % 16 !== 0 || at + 4 > records.length) return false;
  return [0, 1, 2, 3].every((i) => {
    const bytes = records[at + i]!;
    return bytes[0] === Step.memory && bytes.readUInt32LE(4) === place + 4 * i;
  });
}

/** A pointer leads to where nothing is, or nothing may be written. */
function pointElsewhere(records: readonly Buffer[], at: number, random: Random): void {
  const distance = random.pick([TO_READ_ONLY, TO_NOWHERE]);
  const bytes = records.slice(at).find((near) => {
    const value = near.readUInt32LE(8);
    return value >= LOW && value < LOW + MEMORY_USED;
  });
  bytes?.writeUInt32LE(bytes.readUInt32LE(8) + distance, 8);
}
