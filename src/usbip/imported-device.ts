import { DeviceDescriptor } from "../usb/descriptors.ts";
import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import { Setup, StandardRequest } from "../usb/setup.ts";
import type { Speed } from "../usb/speed.ts";
import { readString } from "../usb/string-reading.ts";
import { createUrb, isIn, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { DescriptorReading } from "./descriptor-reading.ts";
import { KnownDescriptors } from "./known-descriptors.ts";
import type { DeviceRecordValue } from "./pdu.ts";
import { SESSION_LIMITS, type SessionLimits } from "./session-limits.ts";
import { speedOfCode } from "./speed-code.ts";
import { UrbClient } from "./urb-client.ts";

/** What an imported device asks of the connection it stands on. */
export interface ImportOutput {
  /** The chunks belong to the device again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The host broke the protocol and the device is gone: close the connection. */
  end(error: ProtocolError): void;
}

type OwnRequest = (status: TransferStatus, bytes: Uint8Array) => void;

/** How long a host may take over a request of ours, a reset for one. */
const OWN_REQUEST_MS = 5_000;

/** SET_FEATURE(PORT_RESET): usbip-win2 asks for a reset so, and the kernel's server knows it. */
const PORT_RESET = Uint8Array.of(0x23, 3, 4, 0, 0, 0, 0, 0);
const DEVICE_STATUS = Uint8Array.of(0x80, StandardRequest.GET_STATUS, 0, 0, 0, 0, 2, 0);

const GONE: OpenError = {
  reason: "gone",
  message: "the host has taken the device away; attach it again",
};

/**
 * A device on the far side of a USB/IP host, for as long as the connection lives. Nothing is offered before
 * `describe` has read its descriptors. `close` keeps the connection; the next `open` resets the device.
 *
 * Until it is configured, what it says of itself is answered from here: a kernel asks for ten pieces of that one after
 * the other, and each would cost the way to the host and back.
 *
 * URBs complete in the order in which the host answers them, which for every known host is that of the waist.
 */
export class ImportedDevice implements UsbDevice {
  readonly speed: Speed;
  readonly #record: DeviceRecordValue;
  readonly #loop: Loop;
  readonly #output: ImportOutput;
  readonly #client: UrbClient;
  /** Requests of our own, by their URB. */
  readonly #own = new Map<Urb, OwnRequest>();
  #map: EndpointMap | undefined;
  #descriptors: Uint8Array = new Uint8Array(0);
  #host: UsbHost | undefined;
  #taken = false;
  #wasOpen = false;
  readonly #inFlight = new Set<Urb>();
  /** Control requests among those. */
  #controls = 0;
  #known: KnownDescriptors | undefined;
  /** Answered from here, and not delivered yet. */
  #answered: Urb[] = [];
  readonly #whenIdle: (() => void)[] = [];
  #nudging = false;
  #gone = false;

  /** A request is a copy of its data. */
  readonly takesLentData = true;

  private constructor(
    record: DeviceRecordValue,
    speed: Speed,
    loop: Loop,
    output: ImportOutput,
    limits: SessionLimits,
  ) {
    this.speed = speed;
    this.#record = record;
    this.#loop = loop;
    this.#output = output;
    const devid = ((record.busnum << 16) | (record.devnum & 0xffff)) >>> 0;
    const clientOutput = {
      write: (chunks: readonly Uint8Array[], written: () => void) => output.write(chunks, written),
      completed: (urb: Urb) => this.#completed(urb),
      failed: (error: ProtocolError) => this.#failed(error),
      nudge: () => this.#nudge(),
    };
    this.#client = new UrbClient(devid, loop, clientOutput, limits);
  }

  /** The device of a successful import reply; its first bytes go to `receive`. */
  static of(
    record: DeviceRecordValue,
    loop: Loop,
    output: ImportOutput,
    limits: SessionLimits = SESSION_LIMITS,
  ): ImportedDevice | ProtocolError {
    const speed = speedOfCode(record.speed);
    if (speed === undefined) {
      return new ProtocolError("BAD_FIELD", `the host gives speed ${record.speed}, which no kernel takes`);
    }
    return new ImportedDevice(record, speed, loop, output, limits);
  }

  /** Reads the descriptors. Until `done` has run without a failure the device cannot be opened. */
  describe(done: (failed?: ProtocolError) => void): void {
    const reading = new DescriptorReading(
      (setup, length, answer) => this.#request(setup, length, answer),
      (result) => done(this.#described(result)),
    );
    reading.start();
  }

  /** The same with descriptors that the host has told by another way; they are no more trusted than those. */
  describeAs(descriptors: Uint8Array): ProtocolError | undefined {
    return this.#described(descriptors);
  }

  /**
   * Asks for its serial number, after `describe`: empty if it has none, nothing if it does not answer. Both come
   * over the wire, so no kernel has to know the device yet.
   */
  readSerialNumber(done: (serial: string | undefined) => void): void {
    const index = DeviceDescriptor.iSerialNumber(this.#descriptors, 0);
    if (index === 0) done("");
    else readString((setup, length, answer) => this.#request(setup, length, answer), index, done);
  }

  /** Notices a host that falls silent, if it answers questions for that: for links that would not. */
  watchSilence(): void {
    this.#client.watchSilence();
  }

  /** Empty before `describe`. */
  get descriptors(): Uint8Array {
    return this.#descriptors;
  }

  get configuration(): number {
    return this.#map?.configuration ?? 0;
  }

  /** Bytes of the host, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    this.#client.receive(bytes);
    this.#client.flush();
  }

  /** The connection is gone. */
  disconnected(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#deliver();
    this.#client.disconnected();
    const host = this.#host;
    this.#host = undefined;
    host?.unplugged();
    this.#checkIdle();
  }

  open(host: UsbHost, _loop: Loop, done: (refused?: OpenError) => void): void {
    if (this.#gone || this.#map === undefined) {
      done(GONE);
    } else if (this.#taken) {
      done({ reason: "busy", message: "the device is in use; detach it where it is attached first" });
    } else {
      this.#taken = true;
      const opened = (): void => {
        if (this.#gone) done(GONE);
        else {
          this.#host = host;
          if (!wasOpen) this.#readAhead();
          done();
        }
      };
      const wasOpen = this.#wasOpen;
      if (this.#wasOpen) this.reset(opened);
      else opened();
      this.#wasOpen = true;
    }
  }

  submit(urb: Urb): void {
    this.#inFlight.add(urb);
    if (urb.type === TransferType.control) {
      if (this.#answer(urb)) return;
      this.#controls++;
    }
    this.#client.submit(urb);
  }

  cancel(urb: Urb): void {
    this.#client.cancel(urb);
  }

  flush(): void {
    this.#client.flush();
    this.#deliver();
  }

  reset(done: (status: TransferStatus) => void): void {
    this.#known = undefined;
    this.#cancelAll(() => {
      this.#request(PORT_RESET, 0, (status) => {
        if (status === TransferStatus.ok) this.#map?.configure(0);
        done(status);
      });
    });
  }

  close(done: () => void): void {
    this.#cancelAll(() => {
      this.#host = undefined;
      this.#taken = false;
      done();
    });
  }

  #completed(urb: Urb): void {
    const own = this.#own.get(urb);
    if (own !== undefined) {
      this.#own.delete(urb);
      own(urb.status, urb.buffer.subarray(0, urb.actualLength));
      return;
    }
    this.#inFlight.delete(urb);
    if (urb.type === TransferType.control) {
      this.#controls--;
      if (urb.status === TransferStatus.ok) this.#map?.completed(urb.setup);
      else if (urb.status === TransferStatus.stall) this.#known?.stalled(urb.setup);
    }
    this.#host?.complete(urb);
    this.#checkIdle();
  }

  #readAhead(): void {
    this.#known = new KnownDescriptors(this.#descriptors);
    this.#known.readAhead((setup, length, answer) => this.#request(setup, length, answer));
  }

  /** In its turn only: not while another control request is under way. */
  #answer(urb: Urb): boolean {
    if (this.#known === undefined) return false;
    const isRead = (urb.setup[0]! & 0x80) !== 0;
    // From now on the device may have changed.
    if (!isRead && Setup.bRequest(urb.setup, 0) !== StandardRequest.SET_ISOCH_DELAY) this.#known = undefined;
    if (this.#gone || this.#controls > 0) return false;
    const known = this.#known?.answer(urb.setup);
    if (known === undefined) return false;
    const isStall = known === TransferStatus.stall;
    const length = isStall ? 0 : Math.min(known.length, urb.length);
    if (!isStall) {
      if (length < urb.length && (urb.flags & UrbFlag.shortNotOk) !== 0) return false;
      urb.buffer.set(known.subarray(0, length), urb.offset);
    }
    urb.actualLength = length;
    urb.status = isStall ? TransferStatus.stall : TransferStatus.ok;
    urb.errorCount = 0;
    this.#answered.push(urb);
    return true;
  }

  #deliver(): void {
    if (this.#answered.length === 0) return;
    const answered = this.#answered;
    this.#answered = [];
    for (const urb of answered) {
      this.#inFlight.delete(urb);
      this.#host?.complete(urb);
    }
    this.#checkIdle();
  }

  #failed(error: ProtocolError): void {
    this.#output.end(error);
    this.disconnected();
  }

  #nudge(): void {
    if (this.#nudging) return;
    this.#nudging = true;
    this.#request(DEVICE_STATUS, 2, () => {
      this.#nudging = false;
    });
  }

  #described(result: Uint8Array | ProtocolError): ProtocolError | undefined {
    if (result instanceof ProtocolError) return result;
    const map = EndpointMap.of(result, this.speed, this.#record.bConfigurationValue);
    if (map instanceof ProtocolError) return map;
    this.#descriptors = result;
    this.#map = map;
    return undefined;
  }

  /** A control request of our own, which ends by itself when the host is silent. */
  #request(setup: Uint8Array, length: number, done: OwnRequest): void {
    const urb = createUrb(0);
    urb.endpoint = isIn(setup[0]!) ? 0x80 : 0x00;
    urb.setup.set(setup);
    urb.buffer = new Uint8Array(length);
    urb.length = length;
    const timer = this.#loop.after(OWN_REQUEST_MS, () => {
      this.#client.cancel(urb);
      this.#client.flush();
    });
    this.#own.set(urb, (status, bytes) => {
      timer.cancel();
      done(status, bytes);
    });
    this.#client.submit(urb);
    this.#client.flush();
  }

  #cancelAll(then: () => void): void {
    this.#whenIdle.push(then);
    for (const urb of this.#inFlight) this.#client.cancel(urb);
    this.flush();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#inFlight.size > 0) return;
    for (const then of this.#whenIdle.splice(0)) then();
  }
}
