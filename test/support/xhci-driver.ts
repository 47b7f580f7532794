import assert from "node:assert/strict";
import type { UsbDevice } from "../../src/usb/device.ts";
import { EndpointMap } from "../../src/usb/endpoint-map.ts";
import { Speed } from "../../src/usb/speed.ts";
import { isIn, TransferType } from "../../src/usb/urb.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { Controller, type ControllerOptions } from "../../src/xhci/controller.ts";
import { GuestPages } from "./guest-pages.ts";
import { ManualLoop } from "./manual-loop.ts";

const OPERATIONAL = 0x40;
const RUNTIME = 0x1000;
const DOORBELLS = 0x2000;
const TRB = 16;
const MEMORY_SIZE = 4 << 20;
/** Above 4 GiB, so that every high word counts. */
export const MEMORY_AT = 0x1_2340_0000;
const CYCLE = 1;

/** An event as the driver reads it. */
export interface Event {
  readonly type: number;
  readonly code: number;
  /** Bits 23..0 of the third word: residue, or bytes of an Event Data TRB. */
  readonly length: number;
  readonly pointer: number;
  readonly slot: number;
  readonly endpoint: number;
  readonly isEventData: boolean;
  readonly control: number;
}

/** A ring of one segment that the driver fills: commands or transfers. */
export class DriverRing {
  readonly base: number;
  readonly #driver: XhciDriver;
  readonly #size: number;
  #index = 0;
  cycle = 1;

  constructor(driver: XhciDriver, size = 256) {
    this.#driver = driver;
    this.#size = size;
    this.base = driver.allocate(size * TRB, 4096);
  }

  /** Where the next TRB comes. */
  get enqueue(): number {
    return this.base + this.#index * TRB;
  }

  /** Writes a TRB with the cycle bit of the ring; gives its address. */
  push(low: number, high: number, status: number, control: number): number {
    const at = this.enqueue;
    this.#driver.store(at, [low, high, status, control | this.cycle]);
    this.#index++;
    if (this.#index === this.#size - 1) {
      const chain = control & 0x10;
      const link = (6 << 10) | 2 | chain | this.cycle;
      this.#driver.store(this.enqueue, [this.base >>> 0, Math.floor(this.base / 2 ** 32), 0, link]);
      this.#index = 0;
      this.cycle ^= 1;
    }
    return at;
  }

  /** A TRB whose parameter is an address. */
  pushAt(pointer: number, status: number, control: number): number {
    return this.push(pointer | 0, Math.floor(pointer / 2 ** 32), status, control);
  }
}

/** A device that the driver has given a slot. */
export interface DriverSlot {
  readonly id: number;
  readonly port: number;
  readonly context: number;
  readonly rings: Map<number, DriverRing>;
  map: EndpointMap;
}

export interface DriverOptions {
  /** TRBs of each segment of the event ring. Default: one of 256. */
  readonly eventSegments?: readonly number[];
  /** An interrupt is raised. */
  readonly interrupted?: () => void;
  /** TRBs of the ring of each endpoint. Default 256. */
  readonly ringSize?: number;
  /** Zeroes. */
  readonly memory?: Uint8Array;
  readonly plan?: ControllerOptions["plan"];
  readonly left?: ControllerOptions["left"];
}

/** Acts on a controller as Linux' driver does: same order of registers, commands and TRBs. */
export class XhciDriver {
  readonly loop = new ManualLoop();
  readonly pages = new GuestPages();
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly controller: Controller;
  /** Vectors in the order in which they were raised. */
  readonly raised: number[] = [];
  /** Events that came while something else was waited for. */
  readonly missed: Event[] = [];
  readonly #eventSegments: readonly number[];
  readonly #ringSize: number;
  #allocated = 0x1000;
  #kept = 0x1000;
  contexts = 0;
  commands!: DriverRing;
  #segments: { base: number; size: number }[] = [];
  #segment = 0;
  #event = 0;
  #eventCycle = 1;

  constructor(options: DriverOptions = {}) {
    this.#eventSegments = options.eventSegments ?? [256];
    this.#ringSize = options.ringSize ?? 256;
    this.bytes = options.memory ?? new Uint8Array(MEMORY_SIZE);
    this.view = new DataView(this.bytes.buffer);
    this.pages.map(MEMORY_AT, this.bytes);
    this.controller = new Controller({
      memory: this.pages,
      line: {
        raise: (vector) => {
          this.raised.push(vector);
          options.interrupted?.();
        },
      },
      loop: this.loop,
      ...(options.plan === undefined ? {} : { plan: options.plan }),
      ...(options.left === undefined ? {} : { left: options.left }),
    });
  }

  /** An address of zeroed memory. */
  allocate(size: number, align = 64): number {
    this.#allocated = Math.ceil(this.#allocated / align) * align;
    const at = this.#allocated;
    this.#allocated += size;
    assert.ok(this.#allocated <= this.bytes.length, "the guest is out of memory");
    return MEMORY_AT + at;
  }

  /** Gives what was allocated for devices back, as it was: rings of commands and events stay. */
  reuse(): void {
    this.bytes.fill(0, this.#kept);
    this.#allocated = this.#kept;
  }

  unmapAll(): void {
    this.pages.unmap(MEMORY_AT);
  }

  mapAll(): void {
    this.pages.map(MEMORY_AT, this.bytes);
  }

  load(address: number): number {
    return this.view.getUint32(address - MEMORY_AT, true);
  }

  loadAddress(address: number): number {
    return this.load(address) + this.load(address + 4) * 2 ** 32;
  }

  store(address: number, words: readonly number[]): void {
    for (const [i, word] of words.entries()) {
      this.view.setUint32(address - MEMORY_AT + 4 * i, word >>> 0, true);
    }
  }

  storeAddress(address: number, value: number): void {
    this.store(address, [value | 0, Math.floor(value / 2 ** 32)]);
  }

  /** The bytes of the guest from an address on. */
  data(address: number, length: number): Uint8Array {
    return this.bytes.subarray(address - MEMORY_AT, address - MEMORY_AT + length);
  }

  read(offset: number): number {
    return this.controller.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.controller.write(offset, 4, value);
  }

  write64(offset: number, value: number): void {
    this.write(offset, value | 0);
    this.write(offset + 4, Math.floor(value / 2 ** 32));
  }

  get usbsts(): number {
    return this.read(OPERATIONAL + 4);
  }

  portsc(port: number): number {
    return this.read(OPERATIONAL + 0x400 + 16 * (port - 1));
  }

  writePortsc(port: number, bits: number): void {
    // What is not to change is written back, but for what a 1 changes.
    const neutral = this.portsc(port) & 0x0e01_c3e0 & ~0x1e0;
    this.write(OPERATIONAL + 0x400 + 16 * (port - 1), neutral | bits);
  }

  /** Resets the controller, gives it memory and lets it run. */
  start(): void {
    this.write(OPERATIONAL, 0);
    this.write(OPERATIONAL, 2);
    assert.equal(this.read(OPERATIONAL) & 2, 0, "HCRST is over");
    assert.equal(this.usbsts & 0x800, 0, "CNR is clear");
    this.write(OPERATIONAL + 0x38, this.read(4) & 0xff);
    this.contexts = this.allocate(8 * 256, 64);
    this.write64(OPERATIONAL + 0x30, this.contexts);
    this.commands = new DriverRing(this);
    this.write64(OPERATIONAL + 0x18, this.commands.base + CYCLE);
    this.#segments = this.#eventSegments.map((size) => ({ base: this.allocate(size * TRB, 4096), size }));
    this.setUpEvents(0);
    this.#kept = this.#allocated;
    this.write(OPERATIONAL, 1 | 4);
    this.loop.settle();
  }

  /** Gives an interrupter the event ring, from its start. */
  setUpEvents(interrupter: number): void {
    const at = RUNTIME + 0x20 + 0x20 * interrupter;
    const table = this.allocate(16 * this.#segments.length, 64);
    this.#segments.forEach(({ base, size }, i) => {
      this.storeAddress(table + 16 * i, base);
      this.store(table + 16 * i + 8, [size, 0]);
    });
    this.#segment = 0;
    this.#event = 0;
    this.#eventCycle = 1;
    this.write(at + 8, this.#segments.length);
    this.write64(at + 0x18, this.#segments[0]!.base);
    this.write64(at + 0x10, table);
    this.write(at + 4, 160);
    this.write(at, 2);
  }

  /** As after a sleep: the registers of the event ring are written anew, with what they were. */
  restoreEvents(): void {
    const at = RUNTIME + 0x20;
    const table = this.read(at + 0x10) + this.read(at + 0x14) * 2 ** 32;
    this.write(at + 8, this.#segments.length);
    this.write64(at + 0x10, table);
    this.write64(at + 0x18, this.eventPointer);
    this.write(at, 2);
  }

  /** Events that have come, without telling the controller that they were read. */
  peekEvents(): Event[] {
    const events: Event[] = [];
    for (;;) {
      const { base, size } = this.#segments[this.#segment]!;
      const at = base + this.#event * TRB;
      const control = this.load(at + 12);
      if ((control & 1) !== this.#eventCycle) return events;
      events.push({
        type: (control >>> 10) & 63,
        code: this.load(at + 8) >>> 24,
        length: this.load(at + 8) & 0xffffff,
        pointer: this.loadAddress(at),
        slot: control >>> 24,
        endpoint: (control >>> 16) & 31,
        isEventData: (control & 4) !== 0,
        control,
      });
      this.#event++;
      if (this.#event < size) continue;
      this.#event = 0;
      this.#segment = (this.#segment + 1) % this.#segments.length;
      if (this.#segment === 0) this.#eventCycle ^= 1;
    }
  }

  /** Where the driver reads next. */
  get eventPointer(): number {
    return this.#segments[this.#segment]!.base + this.#event * TRB;
  }

  acknowledge(interrupter = 0): void {
    this.write(OPERATIONAL + 4, 8);
    const at = RUNTIME + 0x20 + 0x20 * interrupter + 0x18;
    const pointer = this.eventPointer;
    this.write(at, pointer | 0 | 8 | this.#segment);
    this.write(at + 4, Math.floor(pointer / 2 ** 32));
  }

  /** The interrupt handler: all events, in order. */
  events(): Event[] {
    this.loop.settle();
    const events = this.peekEvents();
    this.acknowledge();
    this.loop.settle();
    return events;
  }

  doorbell(slot: number, target: number): void {
    this.write(DOORBELLS + 4 * slot, target);
  }

  /** Carries a command out and gives its completion event; others that came with it are in `before`. */
  command(low: number, high: number, status: number, control: number, before = this.missed): Event {
    const at = this.commands.push(low, high, status, control);
    this.doorbell(0, 0);
    const events = this.events();
    const completion = events.find(({ type, pointer }) => type === 33 && pointer === at);
    assert.ok(completion !== undefined, `command ${(control >> 10) & 63} is completed`);
    before.push(...events.filter((event) => event !== completion));
    return completion;
  }

  commandAt(pointer: number, control: number, before = this.missed): Event {
    return this.command(pointer | 0, Math.floor(pointer / 2 ** 32), 0, control, before);
  }

  enableSlot(port: number): DriverSlot {
    const enabled = this.command(0, 0, 0, 9 << 10);
    assert.equal(enabled.code, 1, "Enable Slot");
    const context = this.allocate(1024, 4096);
    this.storeAddress(this.contexts + 8 * enabled.slot, context);
    const map = EndpointMap.of(new Uint8Array(0), Speed.high, 0);
    return {
      id: enabled.slot,
      port,
      context,
      rings: new Map([[1, new DriverRing(this, this.#ringSize)]]),
      map: map as EndpointMap,
    };
  }

  /** Address Device; `isBlocked` is BSR. */
  addressDevice(slot: DriverSlot, isBlocked: boolean): Event {
    const input = this.allocate(33 * 32, 4096);
    const speed = (this.portsc(slot.port) >> 10) & 15;
    const ring = slot.rings.get(1)!;
    this.store(input, [0, 3]);
    this.store(input + 32, [(1 << 27) | (speed << 20), slot.port << 16]);
    this.store(input + 64, [0, (3 << 1) | (4 << 3) | (64 << 16)]);
    this.storeAddress(input + 72, ring.enqueue + ring.cycle);
    return this.commandAt(input, (11 << 10) | (isBlocked ? 1 << 9 : 0) | (slot.id << 24));
  }

  resetDevice(slot: DriverSlot): Event {
    return this.command(0, 0, 0, (17 << 10) | (slot.id << 24));
  }

  /** Resets the port, as hub drivers do, and clears what has changed. */
  resetPort(port: number): void {
    this.writePortsc(port, 1 << 4);
    this.loop.settle();
    assert.notEqual(this.portsc(port) & (1 << 21), 0, "PRC");
    this.writePortsc(port, 0x7f << 17);
    this.missed.push(...this.events());
  }

  /** From a port with a device to a slot with an address: what Linux does before it reads the configuration. */
  enumerate(port: number): DriverSlot {
    assert.equal(this.portsc(port) & 1, 1, "CCS");
    this.resetPort(port);
    const slot = this.enableSlot(port);
    assert.equal(this.addressDevice(slot, true).code, 1, "Address Device, BSR");
    const first = this.control(slot, [0x80, 6, 0, 1, 0, 0, 64, 0]);
    assert.equal(first.data[1], 1, "a device descriptor");
    this.resetPort(port);
    // A device that has no address yet is not to be reset: Linux asks all the same.
    assert.equal(this.resetDevice(slot).code, 19, "Reset Device");
    assert.equal(this.addressDevice(slot, false).code, 1, "Address Device");
    return slot;
  }

  /** A slot with an address for a device that answers nothing by itself. */
  addressed(port: number, descriptors: Uint8Array, speed: Speed, configuration: number): DriverSlot {
    const slot = this.enableSlot(port);
    assert.equal(this.addressDevice(slot, false).code, 1, "Address Device");
    slot.map = EndpointMap.of(descriptors, speed, configuration) as EndpointMap;
    return slot;
  }

  /** Enumerates a device, reads its descriptors, and makes the endpoints of a configuration. */
  setUp(port: number, configuration: number, interfaceNumber = 0, alternate = 0): DriverSlot {
    const slot = this.enumerate(port);
    const { data: device } = this.control(slot, [0x80, 6, 0, 1, 0, 0, 18, 0]);
    const descriptors = [...device];
    for (let i = 0; i < device[17]!; i++) {
      const { data: head } = this.control(slot, [0x80, 6, i, 2, 0, 0, 9, 0]);
      descriptors.push(...this.control(slot, [0x80, 6, i, 2, 0, 0, head[2]!, head[3]!]).data);
    }
    const speed = ([0, Speed.full, Speed.low, Speed.high, Speed.super] as const)[
      (this.portsc(port) >> 10) & 15
    ];
    const map = EndpointMap.of(Uint8Array.from(descriptors), speed as Speed, configuration);
    assert.ok(!(map instanceof ProtocolError));
    slot.map = map;
    if (alternate !== 0) map.select(interfaceNumber, alternate);
    assert.equal(this.configure(slot).code, 1, "Configure Endpoint");
    const setConfiguration = [0x00, 9, configuration, 0, 0, 0, 0, 0];
    assert.equal(this.control(slot, setConfiguration).code, 1, "SET_CONFIGURATION");
    if (alternate !== 0) {
      const setInterface = [0x01, 11, alternate, 0, interfaceNumber, 0, 0, 0];
      assert.equal(this.control(slot, setInterface).code, 1, "SET_INTERFACE");
    }
    return slot;
  }

  /** Adds all endpoints of the slot's map; those that are there are made anew. */
  configure(slot: DriverSlot): Event {
    const input = this.allocate(33 * 32, 4096);
    let add = 1;
    let last = 1;
    let drop = 0;
    for (const { address, type, maxPacketSize, interval } of slot.map.all()) {
      const dci = dciOf(address);
      if (slot.rings.has(dci)) drop |= 1 << dci;
      const ring = new DriverRing(this, this.#ringSize);
      slot.rings.set(dci, ring);
      add |= 1 << dci;
      last = Math.max(last, dci);
      const kind = [4, 1, 2, 3][type]! | (isIn(address) ? 4 : 0);
      const exponent =
        interval === 0
          ? 0
          : Math.log2(interval) + ((this.portsc(slot.port) >> 10) & 15 ? this.#frameShift(slot) : 0);
      const errors = type === TransferType.isochronous ? 0 : 3;
      const at = input + 32 * (dci + 1);
      this.store(at, [Math.floor(exponent) << 16, (errors << 1) | (kind << 3) | (maxPacketSize << 16)]);
      this.storeAddress(at + 8, ring.base + ring.cycle);
    }
    this.store(input, [drop, add]);
    this.store(input + 32, [(this.load(slot.context) & 0x07ff_ffff) | (last << 27), slot.port << 16]);
    return this.commandAt(input, (12 << 10) | (slot.id << 24));
  }

  /** A control transfer as Linux makes it: Setup, Data with ISP, Status with IOC. */
  control(
    slot: DriverSlot,
    setup: readonly number[],
    out?: Uint8Array,
  ): { code: number; data: Uint8Array; events: Event[] } {
    const ring = slot.rings.get(1)!;
    const length = setup[6]! | (setup[7]! << 8);
    const incoming = (setup[0]! & 0x80) !== 0;
    const buffer = this.allocate(Math.max(length, 1));
    if (out !== undefined) this.data(buffer, out.length).set(out);
    const low = setup[0]! | (setup[1]! << 8) | (setup[2]! << 16) | (setup[3]! << 24);
    const high = setup[4]! | (setup[5]! << 8) | (setup[6]! << 16) | (setup[7]! << 24);
    ring.push(low, high, 8, (2 << 10) | (1 << 6) | (length === 0 ? 0 : incoming ? 3 << 16 : 2 << 16));
    let dataAt = -1;
    if (length > 0) dataAt = ring.pushAt(buffer, length, (3 << 10) | (incoming ? (1 << 16) | 4 : 0));
    const statusAt = ring.push(0, 0, 0, (4 << 10) | 0x20 | (incoming && length > 0 ? 0 : 1 << 16));
    this.doorbell(slot.id, 1);
    const events = this.events().filter(({ type }) => type === 32);
    const residue = events.find(({ pointer }) => pointer === dataAt)?.length ?? 0;
    const last = events.at(-1);
    assert.ok(last !== undefined, "the control transfer is answered");
    if (last.code === 1) assert.equal(last.pointer, statusAt, "the event of the Status stage");
    return { code: last.code, data: this.data(buffer, length - residue).slice(), events };
  }

  /** Stop Endpoint; transfer events go to `before`. */
  stopEndpoint(slot: DriverSlot, dci: number, before = this.missed): Event {
    return this.command(0, 0, 0, (15 << 10) | (dci << 16) | (slot.id << 24), before);
  }

  resetEndpoint(slot: DriverSlot, dci: number, preserve = false): Event {
    const control = (14 << 10) | (preserve ? 1 << 9 : 0) | (dci << 16) | (slot.id << 24);
    return this.command(0, 0, 0, control);
  }

  setDequeue(slot: DriverSlot, dci: number, pointer: number, cycle: number): Event {
    return this.commandAt(pointer + cycle, (16 << 10) | (dci << 16) | (slot.id << 24));
  }

  /** Words of an endpoint's output context: state, and what it says of the ring. */
  endpointContext(slot: DriverSlot, dci: number): { state: number; dequeue: number; cycle: number } {
    const at = slot.context + 32 * dci;
    const low = this.load(at + 8);
    return {
      state: this.load(at) & 7,
      dequeue: this.load(at + 12) * 2 ** 32 + ((low & ~15) >>> 0),
      cycle: low & 1,
    };
  }

  slotState(slot: DriverSlot): number {
    return this.load(slot.context + 12) >>> 27;
  }

  /** Plugs a device in and clears nothing: the driver has yet to look. */
  plug(device: UsbDevice, port?: number): number {
    let refused: string | undefined;
    const given = this.controller.plug(device, port, (error) => {
      refused = error?.message;
    });
    this.loop.settle();
    assert.ok(given !== undefined && refused === undefined, refused);
    return given;
  }

  #frameShift(slot: DriverSlot): number {
    const speed = (this.portsc(slot.port) >> 10) & 15;
    return speed >= 3 ? 0 : 3;
  }
}

export function dciOf(address: number): number {
  return 2 * (address & 15) + (isIn(address) ? 1 : 0);
}
