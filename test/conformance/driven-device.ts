import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import { EndpointMap } from "../../src/usb/endpoint-map.ts";
import type { Loop } from "../../src/usb/loop.ts";
import type { Speed } from "../../src/usb/speed.ts";
import {
  isIn,
  PACKET_WORDS,
  PacketWord,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../src/usb/urb.ts";
import { type DriverRing, type DriverSlot, dciOf, type Event, XhciDriver } from "../support/xhci-driver.ts";

const NORMAL = 1 << 10;
const ISOCH = 5 << 10;
const NO_OP = 8 << 10;
const [ISP, CH, IOC, IDT, DIR] = [4, 0x10, 0x20, 0x40, 1 << 16] as const;
const SIA = 1 << 31;
const DISABLE_SLOT = 10 << 10;
const TRANSFER_EVENT = 32;
const STOPPED = 26;

/** TRBs are cut here, which is no multiple of any packet. */
const PIECE = 30_001;
const MEMORY = 32 << 20;

const { ok, stall, cancelled, disconnected, overflow, protocol, short, notDone } = TransferStatus;

const STATUS_OF: ReadonlyMap<number, TransferStatus> = new Map([
  [1, ok],
  [13, ok],
  [6, stall],
  [3, overflow],
  [23, notDone],
]);

/** A URB in the ring of its endpoint. */
interface Queued {
  readonly urb: Urb;
  readonly dci: number;
  readonly buffer: number;
  readonly trbs: { readonly address: number; readonly length: number }[];
  /** Where the ring goes on behind it. */
  next: number;
  nextCycle: number;
  /** Isochronous packets that have been told of. */
  told: number;
  moved: number;
}

/**
 * A device as the driver of a guest has it: the controller under test is between this and the device that is given, and
 * what Linux' host controller driver and its hub do is here.
 */
export class DrivenDevice implements UsbDevice {
  readonly speed: Speed;
  readonly driver: XhciDriver;
  readonly #device: UsbDevice;
  #host: UsbHost | undefined;
  #slot!: DriverSlot;
  #port = 0;
  readonly #queued = new Map<Urb, Queued>();
  readonly #byTrb = new Map<number, Queued>();
  /** What is to be done: a driver does one thing at a time, and events come meanwhile. */
  readonly #jobs: (() => void)[] = [];
  #isWorking = false;
  #isInterrupted = false;
  #isGone = false;
  #hasStarted = false;

  constructor(device: UsbDevice) {
    this.#device = device;
    this.speed = device.speed;
    this.driver = new XhciDriver({
      memory: new Uint8Array(MEMORY),
      eventSegments: [1024, 512],
      ringSize: 4096,
      interrupted: () => this.#interrupt(),
      left: () => this.#leave(),
    });
  }

  get descriptors(): Uint8Array {
    return this.#device.descriptors;
  }

  get configuration(): number {
    return this.#device.configuration;
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    let refused: OpenError | undefined;
    const port = this.driver.controller.plug(this.#device, undefined, (error) => {
      refused = error;
    });
    if (port === undefined || refused !== undefined) {
      done(refused);
      return;
    }
    this.#port = port;
    this.#host = host;
    this.#isWorking = true;
    if (!this.#hasStarted) this.driver.start();
    this.#hasStarted = true;
    this.driver.events();
    this.#slot = this.driver.enumerate(port);
    this.#slot.map = EndpointMap.of(this.descriptors, this.speed, 0) as EndpointMap;
    this.#isWorking = false;
    this.driver.loop.soon(() => this.#work());
    done();
  }

  submit(urb: Urb): void {
    if (urb.type === TransferType.control) this.#submitControl(urb);
    else this.#queue(urb);
  }

  cancel(urb: Urb): void {
    this.#do(() => {
      const queued = this.#queued.get(urb);
      if (queued !== undefined) this.#unlink(queued);
    });
  }

  flush(): void {}

  reset(done: (status: TransferStatus) => void): void {
    this.#do(() => {
      this.#cancelAll(() => true);
      this.driver.resetPort(this.#port);
      this.driver.resetDevice(this.#slot);
      const control = this.#slot.rings.get(1)!;
      this.#slot.rings.clear();
      this.#slot.rings.set(1, control);
      this.#slot.map.configure(0);
      this.driver.addressDevice(this.#slot, false);
      done(this.#isGone ? disconnected : ok);
    });
  }

  close(done: () => void): void {
    this.#do(() => {
      if (!this.#isGone) this.#cancelAll(() => true);
      this.driver.controller.unplug(this.#port, () => {
        this.#host = undefined;
        this.driver.writePortsc(this.#port, 0x7f << 17);
        this.driver.command(0, 0, 0, DISABLE_SLOT | (this.#slot.id << 24));
        done();
      });
    });
  }

  #submitControl(urb: Urb): void {
    // A change of endpoints: what is under way there is given up before (usb_hcd_alloc_bandwidth of Linux).
    if ((urb.setup[0] === 0 && urb.setup[1] === 9) || (urb.setup[0] === 1 && urb.setup[1] === 11)) {
      this.#do(() => {
        this.#cancelAll(({ type }) => type !== TransferType.control);
        this.#queueControl(urb);
      });
    } else {
      this.#queueControl(urb);
    }
  }

  #queueControl(urb: Urb): void {
    const queued = this.#newlyQueued(urb, 1);
    const ring = this.#slot.rings.get(1)!;
    const view = new DataView(urb.setup.buffer, urb.setup.byteOffset);
    const incoming = isIn(urb.endpoint);
    const stage = urb.length === 0 ? 0 : incoming ? 3 << 16 : 2 << 16;
    const trbs = [ring.push(view.getInt32(0, true), view.getInt32(4, true), 8, (2 << 10) | IDT | stage)];
    if (urb.length > 0) {
      trbs.push(ring.pushAt(queued.buffer, urb.length, (3 << 10) | (incoming ? DIR | ISP : 0)));
    }
    trbs.push(ring.push(0, 0, 0, (4 << 10) | IOC | (stage !== 0 && incoming ? 0 : DIR)));
    for (const [i, address] of trbs.entries()) {
      this.#remember(queued, address, i === 1 && urb.length > 0 ? urb.length : 0);
    }
    this.#ringDoorbell(queued, ring);
  }

  #queue(urb: Urb): void {
    const dci = dciOf(urb.endpoint);
    const ring = this.#slot.rings.get(dci);
    if (ring === undefined) {
      this.#do(() => this.#complete(urb, this.#isGone ? disconnected : stall, 0));
      return;
    }
    const queued = this.#newlyQueued(urb, dci);
    if (urb.type === TransferType.isochronous) {
      for (let i = 0; i < urb.packetCount; i++) {
        const word = i * PACKET_WORDS;
        const length = urb.packets[word + PacketWord.length]!;
        const at = queued.buffer + urb.packets[word + PacketWord.offset]!;
        this.#remember(queued, ring.pushAt(at, length, ISOCH | SIA | IOC | ISP), length);
      }
    } else {
      for (let at = 0; at === 0 || at < urb.length; at += PIECE) {
        const length = Math.min(PIECE, urb.length - at);
        const flags = at + length < urb.length ? CH | ISP : IOC | ISP;
        this.#remember(queued, ring.pushAt(queued.buffer + at, length, NORMAL | flags), length);
      }
    }
    this.#ringDoorbell(queued, ring);
  }

  #newlyQueued(urb: Urb, dci: number): Queued {
    const buffer = this.driver.allocate(Math.max(urb.length, 1));
    if (!isIn(urb.endpoint)) {
      this.driver.data(buffer, urb.length).set(urb.buffer.subarray(urb.offset, urb.offset + urb.length));
    }
    const queued = { urb, dci, buffer, trbs: [], next: 0, nextCycle: 0, told: 0, moved: 0 };
    this.#queued.set(urb, queued);
    return queued;
  }

  #remember(queued: Queued, address: number, length: number): void {
    queued.trbs.push({ address, length });
    this.#byTrb.set(address, queued);
  }

  #ringDoorbell(queued: Queued, ring: DriverRing): void {
    queued.next = ring.enqueue;
    queued.nextCycle = ring.cycle;
    this.driver.doorbell(this.#slot.id, queued.dci);
  }

  #do(job: () => void): void {
    this.#jobs.push(job);
    this.driver.loop.soon(() => this.#work());
  }

  #work(): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      job();
      this.#take(this.driver.missed.splice(0));
    }
    this.#isWorking = false;
  }

  #interrupt(): void {
    if (this.#isInterrupted) return;
    this.#isInterrupted = true;
    this.#do(() => {
      this.#isInterrupted = false;
      this.#take(this.driver.events());
    });
  }

  #take(events: readonly Event[]): void {
    for (const event of events) {
      if (event.type !== TRANSFER_EVENT) continue;
      const queued = this.#byTrb.get(event.pointer);
      if (queued === undefined || !this.#queued.has(queued.urb)) continue;
      if (queued.urb.type === TransferType.isochronous) this.#takePacket(queued, event);
      else this.#takeTransfer(queued, event);
    }
  }

  #takePacket(queued: Queued, { pointer, code, length }: Event): void {
    const { urb, trbs } = queued;
    const i = trbs.findIndex(({ address }) => address === pointer);
    const word = i * PACKET_WORDS;
    const moved = trbs[i]!.length - length;
    const status = STATUS_OF.get(code) ?? protocol;
    urb.packets[word + PacketWord.actualLength] = moved;
    urb.packets[word + PacketWord.status] = status;
    if (status !== ok) urb.errorCount++;
    queued.moved += moved;
    queued.told++;
    if (queued.told < trbs.length) return;
    this.#bringIn(queued, urb.length);
    this.#complete(urb, this.#isGone ? disconnected : ok, queued.moved);
  }

  #takeTransfer(queued: Queued, { pointer, code, length }: Event): void {
    const { urb, trbs } = queued;
    const i = trbs.findIndex(({ address }) => address === pointer);
    queued.moved = trbs.slice(0, i + 1).reduce((sum, trb) => sum + trb.length, 0) - length;
    if (code === STOPPED) return;
    const isLast = i === trbs.length - 1;
    if (urb.type === TransferType.control && code === 13) {
      // The Status stage is still to come; what has moved is what this says.
      queued.trbs.splice(1, 1, { address: pointer, length: queued.moved });
      return;
    }
    if (code === 1 && !isLast) throw new Error(`success in the midst of a TD, TRB ${i}`);
    const status = this.#isGone ? disconnected : (STATUS_OF.get(code) ?? protocol);
    if (code !== 1 && code !== 13 && !this.#isGone) {
      this.driver.resetEndpoint(this.#slot, queued.dci);
      this.driver.setDequeue(this.#slot, queued.dci, queued.next, queued.nextCycle);
      this.driver.doorbell(this.#slot.id, queued.dci);
    }
    this.#bringIn(queued, queued.moved);
    if (urb.type === TransferType.control && status === ok) this.#follow(urb);
    const tooShort =
      (urb.flags & UrbFlag.shortNotOk) !== 0 && isIn(urb.endpoint) && queued.moved < urb.length;
    this.#complete(urb, status === ok && tooShort ? short : status, queued.moved);
  }

  /** The endpoints of the driver are those of the device. */
  #follow(urb: Urb): void {
    const { map } = this.#slot;
    const before = map.all().map((endpoint) => JSON.stringify(endpoint));
    map.completed(urb.setup);
    const changes = urb.setup[1] === 9 || urb.setup[1] === 11;
    if (!changes || isIn(urb.setup[0]!)) return;
    if (before.length + map.all().length > 0) this.driver.configure(this.#slot);
  }

  #bringIn({ urb, buffer }: Queued, length: number): void {
    if (isIn(urb.endpoint)) urb.buffer.set(this.driver.data(buffer, length), urb.offset);
  }

  #complete(urb: Urb, status: TransferStatus, actualLength: number): void {
    this.#queued.delete(urb);
    urb.status = status;
    urb.actualLength = actualLength;
    this.#host?.complete(urb);
  }

  /** As Linux has it: stop, jump over or write over, go on. */
  #unlink(queued: Queued): void {
    const { urb, dci, trbs } = queued;
    this.driver.stopEndpoint(this.#slot, dci);
    this.#take(this.driver.missed.splice(0));
    if (this.#queued.has(urb)) {
      const { dequeue, state } = this.driver.endpointContext(this.#slot, dci);
      if (state === 3 && trbs.some(({ address }) => address === dequeue)) {
        this.driver.setDequeue(this.#slot, dci, queued.next, queued.nextCycle);
      }
      for (const { address } of trbs) {
        const control = this.driver.load(address + 12) & (CH | 1);
        this.driver.store(address, [0, 0, 0, control | NO_OP]);
      }
      this.#bringIn(queued, Math.min(queued.moved, urb.length));
      this.#complete(urb, cancelled, queued.moved);
    }
    this.driver.doorbell(this.#slot.id, dci);
  }

  #cancelAll(which: (urb: Urb) => boolean): void {
    this.#take(this.driver.events());
    for (const queued of this.#queued.values()) {
      if (which(queued.urb) && this.#queued.has(queued.urb)) this.#unlink(queued);
    }
  }

  #leave(): void {
    this.#isGone = true;
    this.#do(() => {
      this.#take(this.driver.events());
      for (const urb of this.#queued.keys()) this.#complete(urb, disconnected, 0);
      this.#host?.unplugged();
    });
  }
}
