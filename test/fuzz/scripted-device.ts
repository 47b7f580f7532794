import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { Speed } from "../../src/usb/speed.ts";
import {
  isIn,
  PACKET_WORDS,
  PacketWord,
  TransferStatus,
  TransferType,
  type Urb,
  UrbFlag,
} from "../../src/usb/urb.ts";
import { annotatedHex } from "../support/annotated-hex.ts";
import { behaviourOf, endpointTypes, MOVED_MAX, type Move, moveData } from "./scripted-endpoints.ts";

/** A URB as the device got it, and what it made of it. */
export interface Submitted {
  /** Place in the log. */
  readonly number: number;
  readonly urb: Urb;
  readonly endpoint: number;
  readonly type: TransferType;
  readonly flags: number;
  readonly interval: number;
  readonly startFrame: number;
  readonly length: number;
  readonly setup: Uint8Array;
  /** OUT data. */
  readonly payload: Uint8Array;
  readonly packets: Int32Array;
  /** Steps until it completes by itself. */
  due: number;
  /** Position among everything delivered; undefined while it is in flight. */
  delivered: number | undefined;
  status: TransferStatus;
  move: Move;
}

/** Of which the last ones hold the data. */
const LENT_BYTES = MOVED_MAX + 7;

/** One step a reset; what was submitted before it is cancelled, what comes behind it goes on after it. */
interface Reset {
  readonly done: (status: TransferStatus) => void;
  /** URBs that were submitted before. */
  readonly logged: number;
}

/**
 * A device whose answers follow from its requests alone. Time passes by `step`, so that the same bytes give the
 * same answers however they arrive; with `stepsOnFlush` it answers at once, as gadgets do.
 */
export class ScriptedDevice implements UsbDevice {
  readonly speed = Speed.high;
  readonly descriptors = DESCRIPTORS;
  configuration = 1;
  readonly alternates = new Map<number, number>();
  /** Everything that was submitted, in order. */
  readonly log: Submitted[] = [];
  isOpen = false;
  stepsOnFlush = false;
  /** Then OUT data may be where it arrived, several transfers in one buffer, until `flush` has returned. */
  takesLentData = false;
  /** Then IN data stands in memory of the device wherever that is welcome. */
  lendsData = false;
  /** Opens at the next step instead of at once. */
  opensLate = false;
  refusal: OpenError | undefined;
  /** Calls of `reset`. */
  resetsAsked = 0;
  #host: UsbHost | undefined;
  #inFlight: Submitted[] = [];
  #resetting: Reset[] = [];
  #opening: (() => void) | undefined;
  #closing: (() => void) | undefined;
  #delivered = 0;

  get inFlight(): number {
    return this.#inFlight.length + this.#resetting.length;
  }

  get isOpening(): boolean {
    return this.#opening !== undefined;
  }

  typeOf(endpoint: number): TransferType | undefined {
    return endpointTypes(this.configuration, this.alternates).get(endpoint);
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.isOpen) throw new Error("opened twice");
    this.#opening = () => {
      this.#opening = undefined;
      if (this.refusal === undefined) {
        this.#host = host;
        this.isOpen = true;
      }
      done(this.refusal);
    };
    if (!this.opensLate) this.#opening();
  }

  submit(urb: Urb): void {
    if (!this.isOpen) throw new Error("submit to a device that is not open");
    if (this.#inFlight.some((other) => other.urb === urb)) throw new Error("a URB was submitted twice");
    if (this.#inFlight.some((other) => overlap(other.urb, urb))) throw new Error("a buffer is used twice");
    if (urb.offset + urb.length > urb.buffer.length)
      throw new Error("the buffer is shorter than the transfer");
    if (urb.status !== TransferStatus.ok || urb.actualLength !== 0 || urb.errorCount !== 0) {
      throw new Error("the results of a URB are not cleared");
    }
    if ((urb.flags & UrbFlag.mayLend) !== 0 && (!isIn(urb.endpoint) || urb.packetCount > 0)) {
      throw new Error("data may be lent that is not read, or has packets");
    }
    const words = urb.packetCount * PACKET_WORDS;
    const entry: Submitted = {
      number: this.log.length,
      urb,
      endpoint: urb.endpoint,
      type: urb.type,
      flags: urb.flags & ~UrbFlag.mayLend,
      interval: urb.interval,
      startFrame: urb.startFrame,
      length: urb.length,
      setup: urb.setup.slice(),
      payload: outData(urb).slice(),
      packets: urb.packets.slice(0, words),
      due: behaviourOf(urb.endpoint, urb.type).delay,
      delivered: undefined,
      status: TransferStatus.ok,
      move: { claimed: 0, actualLengths: [] },
    };
    this.log.push(entry);
    this.#inFlight.push(entry);
  }

  cancel(urb: Urb): void {
    const entry = this.#inFlight.find((other) => other.urb === urb);
    // Without a delay it is done, only not delivered yet: too late.
    if (entry === undefined || entry.due === 0) return;
    this.#end(entry, TransferStatus.cancelled);
  }

  flush(): void {
    if (!this.isOpen) throw new Error("flush of a device that is not open");
    if (this.stepsOnFlush) this.step();
  }

  reset(done: (status: TransferStatus) => void): void {
    if (!this.isOpen) throw new Error("reset of a device that is not open");
    this.resetsAsked++;
    this.#resetting.push({ done, logged: this.log.length });
  }

  close(done: () => void): void {
    if (!this.isOpen || this.#closing !== undefined) throw new Error("closed without being open");
    this.#closing = done;
  }

  /** Time passes: what is due completes, in order. */
  step(): void {
    this.#opening?.();
    if (this.#closing !== undefined) this.#endAll(TransferStatus.cancelled);
    const reset = this.#resetting.shift();
    for (const entry of this.#inFlight) {
      if (entry.number < (reset?.logged ?? 0) && entry.due > 0) this.#end(entry, TransferStatus.cancelled);
    }
    const due = this.#inFlight.filter((entry) => entry.due === 0);
    for (const entry of this.#inFlight) entry.due--;
    for (const entry of due) this.#deliver(entry);
    if (reset !== undefined) {
      this.configuration = 0;
      this.alternates.clear();
      reset.done(TransferStatus.ok);
    }
    const closing = this.#closing;
    if (closing === undefined || this.#resetting.length > 0) return;
    this.#closing = undefined;
    this.isOpen = false;
    closing();
  }

  /** Completes what would wait for ever. */
  finishAll(): void {
    for (const entry of this.#inFlight) entry.due = 0;
    this.step();
  }

  unplug(): void {
    this.#endAll(TransferStatus.disconnected);
    this.step();
    this.#host!.unplugged();
  }

  #endAll(status: TransferStatus): void {
    for (const entry of this.#inFlight) {
      if (entry.due > 0 || status === TransferStatus.disconnected) this.#end(entry, status);
    }
  }

  #end(entry: Submitted, status: TransferStatus): void {
    entry.due = 0;
    entry.status = status;
  }

  #deliver(entry: Submitted): void {
    this.#inFlight.splice(this.#inFlight.indexOf(entry), 1);
    const { urb } = entry;
    if (Buffer.compare(outData(urb), entry.payload) !== 0) throw new Error("OUT data changed in flight");
    if (entry.status === TransferStatus.ok) entry.status = this.#carryOut(entry);
    if (this.lendsData && (urb.flags & UrbFlag.mayLend) !== 0) {
      urb.buffer = new Uint8Array(LENT_BYTES);
      urb.offset = LENT_BYTES - MOVED_MAX;
    }
    if (entry.status === TransferStatus.ok || behaviourOf(entry.endpoint, entry.type).partial) {
      entry.move = moveData(entry, entry.number);
    } else {
      // Packets of a transfer that ended early stay undone.
      entry.move = { claimed: 0, actualLengths: [] };
    }
    urb.status = entry.status;
    urb.actualLength = entry.move.claimed;
    for (let i = 0; i < urb.packetCount; i++) {
      if (urb.packets[i * PACKET_WORDS + PacketWord.status] !== TransferStatus.ok) urb.errorCount++;
    }
    entry.delivered = this.#delivered++;
    this.#host!.complete(urb);
  }

  /** Decides when it is delivered, for then the state of the device counts. */
  #carryOut(entry: Submitted): TransferStatus {
    if (entry.type !== TransferType.control) {
      if (this.typeOf(entry.endpoint) !== entry.type) return TransferStatus.stall;
      return behaviourOf(entry.endpoint, entry.type).status;
    }
    const [bmRequestType, bRequest, value] = entry.setup;
    if (bmRequestType === 0 && bRequest === 9) return this.#configure(value!);
    if (bmRequestType === 1 && bRequest === 11) {
      const index = entry.setup[4]! | (entry.setup[5]! << 8);
      const alternate = value! | (entry.setup[3]! << 8);
      // Interface 0 has one setting, interface 1 has two; configuration 2 has only interface 0.
      const settings = [1, this.configuration === 1 ? 2 : 0][index] ?? 0;
      if (this.configuration === 0 || alternate >= settings) return TransferStatus.stall;
      this.alternates.set(index, alternate);
      return TransferStatus.ok;
    }
    return bRequest === 0xff ? TransferStatus.stall : TransferStatus.ok;
  }

  #configure(value: number): TransferStatus {
    if (value > 2) return TransferStatus.stall;
    this.configuration = value;
    this.alternates.clear();
    for (const other of this.#inFlight) {
      if (other.type !== TransferType.control && other.due >= 0) this.#end(other, TransferStatus.cancelled);
    }
    return TransferStatus.ok;
  }
}

const NO_BYTES = new Uint8Array(0);

/** Endpoints as `endpointTypes` lists them. */
const DESCRIPTORS = annotatedHex(`
  12 01 0002 ff 00 00 40 0912 0001 0001 00 00 00 02  device
  09 02 7800 02 01 00 80 32                          configuration 1, 120 bytes
  09 04 00 00 09 ff 00 00 00                         interface 0
  07 05 81 02 0002 00                                bulk IN, as much as is asked for
  07 05 01 02 0002 00                                bulk OUT
  07 05 82 03 4000 04                                interrupt IN, never
  07 05 83 01 0004 01                                isochronous IN
  07 05 03 01 0004 01                                isochronous OUT
  07 05 84 02 0002 00                                bulk IN, half of it
  07 05 05 02 0002 00                                bulk OUT, stalls
  07 05 86 02 0002 00                                bulk IN, claims too much
  07 05 87 02 0002 00                                bulk IN, claims a negative count
  09 04 01 00 02 ff 00 00 00                         interface 1, setting 0
  07 05 08 02 0002 00                                bulk OUT, late
  07 05 89 03 4000 04                                interrupt IN, late
  09 04 01 01 01 ff 00 00 00                         interface 1, setting 1
  07 05 8a 02 0002 00                                bulk IN
  09 02 2000 01 02 00 80 32                          configuration 2, 32 bytes
  09 04 00 00 02 ff 00 00 00                         interface 0
  07 05 81 03 4000 04                                interrupt IN, never
  07 05 8c 02 0002 00                                bulk IN
`);

function outData({ endpoint, buffer, offset, length }: Urb): Uint8Array {
  return isIn(endpoint) ? NO_BYTES : buffer.subarray(offset, offset + length);
}

/** Two URBs share bytes. */
function overlap(one: Urb, other: Urb): boolean {
  if (one.buffer.buffer !== other.buffer.buffer) return false;
  const start = one.buffer.byteOffset + one.offset;
  const otherStart = other.buffer.byteOffset + other.offset;
  return start < otherStart + other.length && otherStart < start + one.length;
}
