import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import { EndpointMap } from "../../src/usb/endpoint-map.ts";
import type { Loop } from "../../src/usb/loop.ts";
import {
  createUrb,
  PACKET_WORDS,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../src/usb/urb.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

/** Words of an entry: kind, slot, endpoint, flags, interval, length, packetCount / status, actualLength, errorCount. */
const ENTRY_WORDS = 16;
const ENTRIES = 256;
const SLOT_BYTES = 64 << 10;
const SLOTS = 128;
const SLOT_PACKETS = 64;
const SUBMIT = 1;
const CANCEL = 2;

/** A ring of fixed entries in shared memory: one producer, one consumer, free-running indices. */
class Ring {
  readonly words = new Int32Array(new SharedArrayBuffer(ENTRIES * ENTRY_WORDS * 4));
  produced = 0;
  consumed = 0;

  push(entry: readonly number[]): void {
    if (this.produced - this.consumed === ENTRIES) throw new Error("the ring is full");
    this.words.set(entry, (this.produced % ENTRIES) * ENTRY_WORDS);
    this.produced++;
  }

  shift(): Int32Array | undefined {
    if (this.consumed === this.produced) return undefined;
    const at = (this.consumed % ENTRIES) * ENTRY_WORDS;
    this.consumed++;
    return this.words.slice(at, at + ENTRY_WORDS);
  }
}

/** What both sides can see. */
class SharedMemory {
  readonly submissions = new Ring();
  readonly completions = new Ring();
  readonly data = new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_BYTES));
  readonly setups = new Uint8Array(new SharedArrayBuffer(SLOTS * 8));
  readonly packets = new Int32Array(new SharedArrayBuffer(SLOTS * SLOT_PACKETS * PACKET_WORDS * 4));
}

/**
 * The smallest sink that is nothing like USB/IP: it walks a submission ring, lets the device work in the
 * shared slots in place, and posts completions to a second ring. It exists to prove the waist.
 */
class RingSink implements UsbHost {
  readonly #memory: SharedMemory;
  readonly #device: UsbDevice;
  readonly #map: EndpointMap;
  readonly #interrupt: () => void;
  readonly #urbs: Urb[] = [];

  constructor(memory: SharedMemory, device: UsbDevice, interrupt: () => void) {
    this.#memory = memory;
    this.#device = device;
    this.#interrupt = interrupt;
    const map = EndpointMap.of(device.descriptors, device.speed, device.configuration);
    if (map instanceof ProtocolError) throw new Error(map.toString());
    this.#map = map;
    for (let slot = 0; slot < SLOTS; slot++) {
      const urb = createUrb(slot);
      urb.buffer = memory.data;
      urb.offset = slot * SLOT_BYTES;
      urb.packets = memory.packets.subarray(
        slot * SLOT_PACKETS * PACKET_WORDS,
        (slot + 1) * SLOT_PACKETS * PACKET_WORDS,
      );
      this.#urbs.push(urb);
    }
  }

  doorbell(): void {
    for (
      let entry = this.#memory.submissions.shift();
      entry !== undefined;
      entry = this.#memory.submissions.shift()
    ) {
      const [kind, slot, endpoint, flags, interval, length, packetCount] = entry;
      const urb = this.#urbs[slot!]!;
      if (kind === CANCEL) {
        this.#device.cancel(urb);
        continue;
      }
      urb.endpoint = endpoint!;
      urb.flags = flags!;
      urb.interval = interval!;
      urb.length = length!;
      urb.packetCount = packetCount!;
      urb.setup.set(this.#memory.setups.subarray(slot! * 8, slot! * 8 + 8));
      urb.status = TransferStatus.ok;
      urb.actualLength = 0;
      urb.errorCount = 0;
      const type = (endpoint! & 15) === 0 ? TransferType.control : this.#map.find(endpoint!)?.type;
      if (type === undefined) {
        this.#memory.completions.push([slot!, TransferStatus.stall, 0, 0]);
        this.#interrupt();
        continue;
      }
      urb.type = type;
      this.#device.submit(urb);
    }
    this.#device.flush();
  }

  complete(urb: Urb): void {
    if (urb.type === TransferType.control && urb.status === TransferStatus.ok) this.#map.completed(urb.setup);
    this.#memory.completions.push([urb.tag, urb.status, urb.actualLength, urb.errorCount]);
    this.#interrupt();
  }

  unplugged(): void {
    this.#memory.completions.push([-1]);
    this.#interrupt();
  }
}

/** The guest of a `RingSink`, as a device again. */
export class RingImport implements UsbDevice {
  readonly #device: UsbDevice;
  readonly #memory = new SharedMemory();
  #sink: RingSink | undefined;
  #host: UsbHost | undefined;
  #loop: Loop | undefined;
  readonly #slots = new Map<number, Urb>();
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot);
  #interruptIsDue = false;

  constructor(device: UsbDevice) {
    this.#device = device;
  }

  get speed(): UsbDevice["speed"] {
    return this.#device.speed;
  }

  get descriptors(): Uint8Array {
    return this.#device.descriptors;
  }

  get configuration(): number {
    return this.#device.configuration;
  }

  open(host: UsbHost, loop: Loop, done: (refused?: OpenError) => void): void {
    const sink = new RingSink(this.#memory, this.#device, () => this.#interrupt());
    this.#device.open(sink, loop, (refused) => {
      if (refused === undefined) {
        this.#host = host;
        this.#loop = loop;
        this.#sink = sink;
      }
      done(refused);
    });
  }

  submit(urb: Urb): void {
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error("more URBs in flight than the ring has slots");
    this.#slots.set(slot, urb);
    const { data, setups, packets, submissions } = this.#memory;
    data.set(urb.buffer.subarray(urb.offset, urb.offset + urb.length), slot * SLOT_BYTES);
    setups.set(urb.setup, slot * 8);
    packets.set(urb.packets.subarray(0, urb.packetCount * PACKET_WORDS), slot * SLOT_PACKETS * PACKET_WORDS);
    const flags = urb.flags & ~UrbFlag.mayLend;
    submissions.push([SUBMIT, slot, urb.endpoint, flags, urb.interval, urb.length, urb.packetCount]);
  }

  cancel(urb: Urb): void {
    for (const [slot, held] of this.#slots) if (held === urb) this.#memory.submissions.push([CANCEL, slot]);
  }

  flush(): void {
    this.#loop!.soon(() => this.#sink!.doorbell());
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#loop!.soon(() => this.#device.reset((status) => this.#loop!.soon(() => done(status))));
  }

  close(done: () => void): void {
    this.#loop!.soon(() => this.#device.close(() => this.#loop!.soon(done)));
  }

  #interrupt(): void {
    if (this.#interruptIsDue) return;
    this.#interruptIsDue = true;
    this.#loop!.soon(() => {
      this.#interruptIsDue = false;
      this.#reap();
    });
  }

  #reap(): void {
    const { completions, data, packets } = this.#memory;
    for (let entry = completions.shift(); entry !== undefined; entry = completions.shift()) {
      const [slot, status, actualLength, errorCount] = entry;
      if (slot === -1) {
        this.#host!.unplugged();
        continue;
      }
      const urb = this.#slots.get(slot!)!;
      this.#slots.delete(slot!);
      this.#free.push(slot!);
      const from = slot! * SLOT_BYTES;
      if ((urb.endpoint & 0x80) !== 0) urb.buffer.set(data.subarray(from, from + urb.length), urb.offset);
      const words = slot! * SLOT_PACKETS * PACKET_WORDS;
      urb.packets.set(packets.subarray(words, words + urb.packetCount * PACKET_WORDS));
      urb.status = status as TransferStatus;
      urb.actualLength = actualLength!;
      urb.errorCount = errorCount!;
      this.#host!.complete(urb);
    }
  }
}
