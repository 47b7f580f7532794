import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { OpenError, UsbDevice, UsbHost } from "../../src/usb/device.ts";
import { EndpointMap } from "../../src/usb/endpoint-map.ts";
import type { Loop } from "../../src/usb/loop.ts";
import { Setup } from "../../src/usb/setup.ts";
import { createUrb, isIn, TransferStatus, type TransferType, type Urb, UrbFlag } from "../../src/usb/urb.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";

/** A device under test and what it lives on. */
export interface PluggedDevice {
  readonly device: UsbDevice;
  readonly loop: Loop;
  /** Lets time pass on a loop whose time stands still otherwise. */
  advance?(ms: number): void;
  /** Takes the device away from its host. */
  unplug?(): void;
  done(): Promise<void>;
}

/** Where an endpoint is to be found. */
export interface EndpointPlace {
  readonly configuration: number;
  readonly interfaceNumber?: number;
  readonly alternate?: number;
  readonly address: number;
}

/** A URB as it was when it completed. */
export interface Completion {
  readonly urb: Urb;
  readonly status: TransferStatus;
  readonly actualLength: number;
  /** The bytes that moved, from the start. */
  readonly bytes: Uint8Array;
  /** All bytes of the transfer, for packets that lie apart. */
  readonly memory: Uint8Array;
}

const DEADLINE_MS = 5000;
/** Around the bytes of every URB. */
const MARGIN = 16;
const GUARD = 0xa5;
/** Written over a completed buffer. */
const RETURNED = 0xee;

/** A sink that trusts nothing: it watches every promise about `complete`, and `end` tells what was broken. */
export class RecordingHost implements UsbHost {
  readonly completions: Completion[] = [];
  readonly inFlight = new Set<Urb>();
  unplugs = 0;
  readonly plugged: PluggedDevice;
  readonly #faults: string[] = [];
  /** The buffer of each URB in flight. */
  readonly #brought = new Map<Urb, Uint8Array>();
  /** What the device has lent: where it stands, and what it was. */
  readonly #lent: { readonly urb: Urb; readonly place: Uint8Array; readonly bytes: Uint8Array }[] = [];
  #calling = "";
  #open = false;
  #tag = 0;

  constructor(plugged: PluggedDevice) {
    this.plugged = plugged;
  }

  get device(): UsbDevice {
    return this.plugged.device;
  }

  complete(urb: Urb): void {
    if (this.#calling !== "") this.#faults.push(`URB ${urb.tag} completed inside ${this.#calling}`);
    if (!this.#open) this.#faults.push(`URB ${urb.tag} completed after close`);
    if (!this.inFlight.delete(urb)) this.#faults.push(`URB ${urb.tag} completed but was not in flight`);
    const { length, status, actualLength } = urb;
    const memory = urb.buffer.slice(urb.offset, urb.offset + length);
    const brought = this.#brought.get(urb);
    if (brought !== undefined && urb.buffer !== brought) this.#takeLent(urb, brought);
    const { buffer, offset } = urb;
    if (actualLength < 0 || actualLength > length) {
      this.#faults.push(`URB ${urb.tag} has ${actualLength} of ${length} bytes`);
    }
    const margins = [...buffer.subarray(0, offset), ...buffer.subarray(offset + length)];
    if (margins.some((byte) => byte !== GUARD))
      this.#faults.push(`URB ${urb.tag} wrote outside of its bytes`);
    this.completions.push({ urb, status, actualLength, bytes: memory.slice(0, actualLength), memory });
    buffer.fill(RETURNED);
  }

  #takeLent(urb: Urb, brought: Uint8Array): void {
    if ((urb.flags & UrbFlag.mayLend) === 0) this.#faults.push(`URB ${urb.tag} has got another buffer`);
    const place = urb.buffer.subarray(urb.offset, urb.offset + urb.actualLength);
    if (place.length < urb.actualLength) this.#faults.push(`URB ${urb.tag} was lent less than it says`);
    this.#lent.push({ urb, place, bytes: place.slice() });
    urb.buffer = brought;
    urb.offset = MARGIN;
  }

  unplugged(): void {
    if (this.inFlight.size > 0) this.#faults.push("unplugged while URBs were in flight");
    this.unplugs += 1;
  }

  async open(): Promise<OpenError | undefined> {
    let answer: { refused: OpenError | undefined } | undefined;
    this.#open = true;
    this.device.open(this, this.plugged.loop, (refused) => {
      answer = { refused };
    });
    await this.wait("open", () => answer !== undefined);
    const refused = answer?.refused;
    if (refused !== undefined) this.#open = false;
    return refused;
  }

  async close(): Promise<void> {
    let closed = false;
    this.device.close(() => {
      closed = true;
      this.#open = false;
    });
    await this.wait("close", () => closed);
  }

  async reset(): Promise<TransferStatus> {
    let result: TransferStatus | undefined;
    this.device.reset((status) => {
      result = status;
    });
    await this.wait("reset", () => result !== undefined);
    return result!;
  }

  submit(urb: Urb): void {
    urb.status = TransferStatus.ok;
    urb.actualLength = 0;
    urb.errorCount = 0;
    this.inFlight.add(urb);
    this.#brought.set(urb, urb.buffer);
    this.#calling = "submit";
    this.device.submit(urb);
    this.#calling = "";
  }

  cancel(urb: Urb): void {
    this.#calling = "cancel";
    this.device.cancel(urb);
    this.#calling = "";
  }

  flush(): void {
    this.device.flush();
  }

  /** Submits, and waits for the result. */
  async transfer(urb: Urb): Promise<Completion> {
    this.submit(urb);
    this.flush();
    return this.completion(urb);
  }

  async completion(urb: Urb): Promise<Completion> {
    await this.wait(`URB ${urb.tag}`, () => !this.inFlight.has(urb));
    return this.completions.findLast((completion) => completion.urb === urb)!;
  }

  /** A URB with a guard before and behind its bytes. OUT data is copied in. */
  urb(type: TransferType, endpoint: number, data: number | Uint8Array): Urb {
    const urb = createUrb(this.#tag++);
    urb.type = type;
    urb.endpoint = endpoint;
    urb.length = typeof data === "number" ? data : data.length;
    urb.offset = MARGIN;
    urb.buffer = new Uint8Array(urb.length + 2 * MARGIN).fill(GUARD);
    if (typeof data === "number") urb.buffer.fill(0xbb, MARGIN, MARGIN + data);
    else urb.buffer.set(data, MARGIN);
    return urb;
  }

  /** A control URB from its setup bytes. */
  controlUrb(setup: Uint8Array, out?: Uint8Array): Urb {
    const wLength = Setup.wLength(setup, 0);
    const incoming = isIn(setup[0]!) && wLength > 0;
    const urb = this.urb(0, incoming ? 0x80 : 0x00, incoming ? wLength : (out ?? new Uint8Array(wLength)));
    urb.setup.set(setup);
    return urb;
  }

  control(setup: Uint8Array, out?: Uint8Array): Promise<Completion> {
    return this.transfer(this.controlUrb(setup, out));
  }

  /** Configures the device so that an endpoint is there, and describes the endpoint. */
  async reach(
    place: EndpointPlace,
  ): Promise<{ type: TransferType; interval: number; intervalBytes: number }> {
    const { configuration, interfaceNumber = 0, alternate = 0, address } = place;
    const map = EndpointMap.of(this.device.descriptors, this.device.speed, configuration);
    assert(!(map instanceof ProtocolError));
    const configured = await this.control(Uint8Array.of(0x00, 9, configuration, 0, 0, 0, 0, 0));
    assert.equal(configured.status, TransferStatus.ok, "SET_CONFIGURATION");
    if (alternate !== 0) {
      map.select(interfaceNumber, alternate);
      const selected = await this.control(Uint8Array.of(0x01, 11, alternate, 0, interfaceNumber, 0, 0, 0));
      assert.equal(selected.status, TransferStatus.ok, "SET_INTERFACE");
    }
    const endpoint = map.find(address);
    assert(endpoint !== undefined, `endpoint ${address} is in the descriptors`);
    return { type: endpoint.type, interval: endpoint.interval, intervalBytes: endpoint.bytesPerInterval };
  }

  /** Polls: a device may answer from a timer, a thread or another process. */
  async wait(what: string, until: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    for (let turns = 0; !until(); turns++) {
      if (performance.now() > deadline) {
        assert.fail(`${what}: nothing within ${DEADLINE_MS} ms; in flight: ${this.inFlight.size}`);
      }
      this.plugged.advance?.(1);
      await sleep(this.plugged.advance === undefined && turns > 20 ? 1 : 0);
    }
  }

  /** Lets the device do whatever it might still do, unasked. */
  async idle(ms: number): Promise<void> {
    const endMs = this.plugged.loop.now() + ms;
    await this.wait("time", () => this.plugged.loop.now() >= endMs);
  }

  /** Closes the device if it is open, and fails if a promise was broken on the way. */
  async end(): Promise<void> {
    if (this.#open) await this.close();
    await this.idle(5);
    assert.equal(this.inFlight.size, 0, "every URB has completed");
    for (const { urb } of this.completions) {
      if (urb.buffer.some((byte) => byte !== RETURNED)) {
        this.#faults.push(`the buffer of URB ${urb.tag} changed after it had completed`);
      }
    }
    for (const { urb, place, bytes } of this.#lent) {
      if (place.some((byte, i) => byte !== bytes[i]))
        this.#faults.push(`what URB ${urb.tag} was lent changed`);
    }
    await this.plugged.done();
    assert.deepEqual(this.#faults, []);
  }
}
