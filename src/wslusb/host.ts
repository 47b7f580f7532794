import type { OpenError, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import type { Urb } from "../usb/urb.ts";
import { equalBytes } from "../wire/equal-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { Channel, type HelloValue } from "./channel.ts";
import type { Exchange } from "./exchange.ts";
import { HostDevice, type HostDeviceOutput } from "./host-device.ts";
import { IncomingRequest } from "./incoming-request.ts";
import {
  CREDIT_MAX,
  MAX_DESCRIPTORS,
  MAX_LISTED,
  MAX_PACKETS,
  MAX_TRANSFER_LENGTH,
  WSLUSB_LIMITS,
  type WslusbLimits,
} from "./limits.ts";
import { type IncomingMessage, WholeMessage } from "./message-reader.ts";
import {
  AttachedDevice,
  AttachRequest,
  AttachResponse,
  CancelRequest,
  CancelResponse,
  Credit,
  DetachNotice,
  DetachRequest,
  EnumerationFlag,
  EnumerationRequest,
  EnumerationResponse,
  EventHead,
  EventKind,
  Hello,
  MAGIC,
  MessageType,
  ResetRequest,
  ResetResponse,
  WSLUSB_VERSION,
} from "./messages.ts";
import { asciiOf, type Claim, type DeviceEnd, encodeInfo, type Offers } from "./offered-device.ts";
import { SharedMemory } from "./shared-memory.ts";
import { Status } from "./status.ts";

/** What the engine asks of the connection it serves. */
export interface HostOutput {
  /** The chunks belong to the engine again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The conversation is over: send what was written, close, and call `disconnected`. */
  end(error: ProtocolError): void;
}

interface Attached {
  readonly device: HostDevice;
  readonly claim: Claim;
}

/**
 * Host side of one WSL-USB connection: a sink that takes many devices. Fed bytes, it asks for bytes to be written; it
 * does no I/O.
 */
export class WslusbHost {
  readonly #offers: Offers;
  readonly #loop: Loop;
  readonly #output: HostOutput;
  readonly #limits: WslusbLimits;
  readonly #channel: Channel;
  readonly #forDevices: HostDeviceOutput;
  /** By handle; a handle is never given twice. */
  readonly #attached = new Map<number, Attached>();
  readonly #inFlight = new Map<number, Exchange>();
  readonly #touched = new Set<HostDevice>();
  /** Each was used for a request that has come; as many as were begun at a time. */
  readonly #spare: IncomingRequest[] = [];
  #lastHandle = 0;
  #arrivedMs = 0;
  /** Bytes of frames for each device that the client has room for. */
  #credit = 0;
  /** What a client that asked to be told of changes was told last, by bus id. */
  #told: Map<string, Uint8Array> | undefined;
  #isTellingDue = false;
  #isReading = false;
  #sendIsDue = false;
  /** Devices that were asked to open or to close, and have not answered. */
  #busy = 0;
  #whenIdle: (() => void) | undefined;

  constructor(offers: Offers, loop: Loop, output: HostOutput, limits: WslusbLimits = WSLUSB_LIMITS) {
    this.#offers = offers;
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#channel = new Channel(loop, limits, (chunks, written) => output.write(chunks, written), {
      greeted: (hello) => this.#greeted(hello),
      begin: (type, sequence) => this.#begin(type, sequence),
      granted: (device, bytes) => this.#granted(device, bytes),
      failed: (error) => this.#failed(error),
    });
    const memory = new SharedMemory(limits, () => {
      for (const { device } of this.#attached.values()) device.forgetMemory();
    });
    const arrived = (): number => this.#arrivedMs;
    this.#forDevices = {
      outbox: this.#channel.outbox,
      memory,
      loop,
      limits,
      inFlight: this.#inFlight,
      touched: this.#touched,
      get arrivedMs() {
        return arrived();
      },
      grant: (device, bytes) => this.#channel.say(MessageType.Credit, 0, Credit.encode({ device, bytes })),
      sendSoon: () => this.#sendSoon(),
      unplugged: (device) => this.#takeBack(device, Status.DISCONNECTED, "unplugged"),
    };
  }

  /** What the client owes: `greeting` a Hello, `open` nothing, `over` nothing ever. */
  get phase(): "greeting" | "open" | "over" {
    return this.#channel.phase;
  }

  /** The client keeps devices, or waits for some. */
  get isUsed(): boolean {
    return this.#told !== undefined || this.#attached.size > 0 || this.#busy > 0;
  }

  /** Bytes of the client, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    this.#arrivedMs = this.#loop.now();
    this.#isReading = true;
    const error = this.#channel.read(bytes);
    for (const { device } of this.#touched) device.flush();
    this.#touched.clear();
    this.#isReading = false;
    this.#channel.settle(error);
  }

  /** What is offered may have changed: a client that asked to be told is told of the difference. */
  offersChanged(): void {
    if (this.#told === undefined || this.#isTellingDue) return;
    this.#isTellingDue = true;
    this.#loop.soon(() => {
      this.#isTellingDue = false;
      this.#tellDifference();
    });
  }

  /** The connection is gone: every device is given back, then `closed` runs. */
  disconnected(closed: () => void): void {
    this.#channel.stop();
    for (const attached of this.#attached.values()) this.#close(attached, "disconnected");
    this.#whenIdle = closed;
    this.#checkIdle();
  }

  #greeted({ version, lowest_version, credit }: HelloValue): ProtocolError | undefined {
    if (version < WSLUSB_VERSION || lowest_version > WSLUSB_VERSION) {
      return new ProtocolError(
        "BAD_VERSION",
        `the client speaks versions ${lowest_version} to ${version}, this host ${WSLUSB_VERSION}`,
      );
    }
    this.#credit = credit;
    const { devices, urbs, bytes } = this.#limits;
    const hello = Hello.encode({
      magic: MAGIC,
      version: WSLUSB_VERSION,
      lowest_version: WSLUSB_VERSION,
      reserved: 0,
      credit: Math.min(this.#limits.credit, CREDIT_MAX),
      devices,
      urbs,
      bytes,
      transfer_length: MAX_TRANSFER_LENGTH,
      packets: MAX_PACKETS,
    });
    this.#channel.say(MessageType.Hello, 0, hello);
    return undefined;
  }

  #begin(type: number, sequence: number): IncomingMessage | ProtocolError {
    switch (type) {
      case MessageType.UrbRequest:
        return this.#inFlight.has(sequence)
          ? new ProtocolError("DUPLICATE_SEQNUM", `UrbRequest ${sequence} is in flight`)
          : (this.#spare.pop() ?? new IncomingRequest(this.#requests)).renew(sequence);
      case MessageType.UrbCancel:
        return exactly("UrbCancel", CancelRequest, (payload) =>
          this.#cancel(sequence, CancelRequest.urb(payload, 0)),
        );
      case MessageType.DeviceEnumeration:
        return exactly("DeviceEnumeration", EnumerationRequest, (payload) =>
          this.#list(sequence, EnumerationRequest.flags(payload, 0)),
        );
      case MessageType.DeviceAttach:
        return exactly("DeviceAttach", AttachRequest, (payload) =>
          this.#attach(sequence, AttachRequest.instance_id(payload, 0)),
        );
      case MessageType.DeviceDetach:
        return exactly("DeviceDetach", DetachRequest, (payload) =>
          this.#detach(sequence, DetachRequest.device(payload, 0)),
        );
      case MessageType.DeviceReset:
        return exactly("DeviceReset", ResetRequest, (payload) =>
          this.#reset(sequence, ResetRequest.device(payload, 0)),
        );
      default:
        return new ProtocolError("BAD_COMMAND", `a client sends no message of type ${type}`);
    }
  }

  readonly #requests = {
    device: (handle: number): HostDevice | undefined | ProtocolError => {
      const attached = this.#find(handle);
      return attached instanceof ProtocolError ? attached : attached?.device;
    },
    over: (request: IncomingRequest): void => void this.#spare.push(request),
  };

  /** Nothing for a device that the client had once: it may not have heard of the end yet. */
  #find(handle: number): Attached | undefined | ProtocolError {
    if (handle === 0 || handle > this.#lastHandle) {
      return new ProtocolError("BAD_DEVICE", `device ${handle} was never attached`);
    }
    return this.#attached.get(handle);
  }

  #granted(handle: number, bytes: number): ProtocolError | undefined {
    const attached = this.#find(handle);
    if (attached instanceof ProtocolError || attached === undefined) return attached;
    const { lanes } = attached.device;
    if (lanes.credit.bytes + bytes > this.#credit) {
      return new ProtocolError("BAD_FIELD", `${bytes} bytes of credit are more than were used up`);
    }
    this.#channel.outbox.grant(lanes, bytes);
    return undefined;
  }

  #list(sequence: number, flags: number): undefined {
    const infos = this.#infos();
    if ((flags & EnumerationFlag.SUBSCRIBE) !== 0) this.#told = infos;
    const head = EnumerationResponse.encode({ count: infos.size });
    this.#channel.say(MessageType.DeviceEnumeration, sequence, joined([head, ...infos.values()]));
  }

  #infos(): Map<string, Uint8Array> {
    const infos = new Map<string, Uint8Array>();
    for (const offered of this.#offers.devices()) {
      const info = infos.size < MAX_LISTED ? encodeInfo(offered) : undefined;
      if (info !== undefined) infos.set(offered.busid, info);
    }
    return infos;
  }

  #tellDifference(): void {
    const before = this.#told;
    if (before === undefined || this.#channel.phase !== "open") return;
    const now = this.#infos();
    this.#told = now;
    for (const [busid, info] of before) if (!now.has(busid)) this.#tell(EventKind.REMOVED, info);
    for (const [busid, info] of now) {
      const known = before.get(busid);
      if (known === undefined) this.#tell(EventKind.ADDED, info);
      else if (!isSame(known, info)) this.#tell(EventKind.CHANGED, info);
    }
    if (!this.#isReading) this.#channel.settle();
  }

  #tell(kind: number, info: Uint8Array): void {
    this.#channel.say(MessageType.DeviceEvent, 0, joined([EventHead.encode({ kind }), info]));
  }

  #attach(sequence: number, busid: string): undefined {
    if (this.#attached.size + this.#busy >= this.#limits.devices) {
      this.#refuse(
        sequence,
        Status.TOO_MANY,
        `${this.#limits.devices} devices are attached over this connection`,
      );
      return;
    }
    const claim = this.#offers.claim(busid);
    if ("reason" in claim) {
      this.#refuseOpen(sequence, claim);
      return;
    }
    let device: HostDevice | undefined;
    const host: UsbHost = {
      complete: (urb: Urb) => device!.complete(urb),
      // Without it the device is already on its way back.
      unplugged: () => device?.unplugged(),
    };
    this.#busy++;
    claim.device.open(host, this.#loop, (refused) => {
      this.#busy--;
      if (refused === undefined) device = this.#opened(sequence, claim);
      else this.#notOpened(sequence, claim, refused);
      this.#checkIdle();
      this.#sendSoon();
    });
  }

  #opened(sequence: number, claim: Claim): HostDevice | undefined {
    const { descriptors, speed, configuration } = claim.device;
    const map = EndpointMap.of(descriptors, speed, configuration);
    if (this.#channel.phase === "over") {
      this.#giveBack(claim, { reason: "gone", message: "the connection was lost while it was opened" });
      return undefined;
    }
    if (map instanceof ProtocolError || descriptors.length > MAX_DESCRIPTORS) {
      const error: OpenError = { reason: "failed", message: "unusable descriptors" };
      // The refusal waits for the end of `close`: the client may ask for the device again at once.
      this.#giveBack(claim, error, () => this.#refuseOpen(sequence, error));
      return undefined;
    }
    const handle = ++this.#lastHandle;
    const device = new HostDevice(handle, claim.device, map, this.#credit, this.#forDevices);
    this.#attached.set(handle, { device, claim });
    device.trace = claim.attached({
      counters: device.counters,
      takeBack: () => this.#takeBack(device, Status.DENIED, "taken back"),
    });
    this.#channel.say(
      MessageType.DeviceAttach,
      sequence,
      joined([
        AttachResponse.encode({ status: Status.OK, message: "" }),
        AttachedDevice.encode({
          device: handle,
          speed,
          current_configuration: configuration,
          reserved: 0,
          descriptors_length: descriptors.length,
        }),
        descriptors,
      ]),
    );
    return device;
  }

  #notOpened(sequence: number, claim: Claim, refused: OpenError): void {
    claim.refused(refused);
    this.#refuseOpen(sequence, refused);
  }

  /** Closes a device that nobody gets. */
  #giveBack(claim: Claim, error: OpenError, then: () => void = () => {}): void {
    this.#busy++;
    claim.device.close(() => {
      this.#busy--;
      claim.refused(error);
      then();
      this.#checkIdle();
      this.#sendSoon();
    });
  }

  #refuseOpen(sequence: number, { reason, message }: OpenError): void {
    this.#refuse(sequence, REFUSALS[reason], message);
  }

  #refuse(sequence: number, status: number, message: string): void {
    this.#channel.say(
      MessageType.DeviceAttach,
      sequence,
      AttachResponse.encode({ status, message: asciiOf(message) }),
    );
  }

  #detach(sequence: number, handle: number): ProtocolError | undefined {
    const attached = this.#find(handle);
    if (attached instanceof ProtocolError) return attached;
    const answer = (status: number): void =>
      this.#channel.say(MessageType.DeviceDetach, sequence, DetachNotice.encode({ device: handle, status }));
    if (attached === undefined) {
      answer(Status.DISCONNECTED);
    } else {
      this.#close(attached, "detached", () => {
        answer(Status.OK);
        this.#sendSoon();
      });
    }
    return undefined;
  }

  #reset(sequence: number, handle: number): ProtocolError | undefined {
    const attached = this.#find(handle);
    if (attached instanceof ProtocolError) return attached;
    const answer = (status: number): void =>
      this.#channel.say(MessageType.DeviceReset, sequence, ResetResponse.encode({ device: handle, status }));
    if (attached === undefined) {
      answer(Status.DISCONNECTED);
      return undefined;
    }
    attached.device.reset((status) => {
      answer(status);
      this.#sendSoon();
    });
    return undefined;
  }

  #cancel(sequence: number, urb: number): undefined {
    const exchange = this.#inFlight.get(urb);
    const status = exchange?.owner.cancel(exchange) === true ? Status.OK : Status.NOT_FOUND;
    this.#channel.say(MessageType.UrbCancel, sequence, CancelResponse.encode({ urb, status }));
  }

  #takeBack(device: HostDevice, status: number, end: DeviceEnd): void {
    const attached = this.#attached.get(device.handle);
    if (attached === undefined) return;
    this.#close(attached, end);
    this.#channel.say(MessageType.DeviceDetach, 0, DetachNotice.encode({ device: device.handle, status }));
    this.#sendSoon();
  }

  /** Nothing of the device is sent from here on. */
  #close({ device, claim }: Attached, end: DeviceEnd, then: () => void = () => {}): void {
    this.#attached.delete(device.handle);
    this.#touched.delete(device);
    device.stop();
    this.#busy++;
    device.device.close(() => {
      this.#busy--;
      claim.closed(end);
      then();
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#busy > 0 || this.#whenIdle === undefined) return;
    const closed = this.#whenIdle;
    this.#whenIdle = undefined;
    closed();
  }

  #sendSoon(): void {
    // What comes up while bytes are being read is sent when they have been read.
    if (this.#sendIsDue || this.#isReading) return;
    this.#sendIsDue = true;
    this.#loop.soon(() => {
      this.#sendIsDue = false;
      this.#channel.settle();
    });
  }

  #failed(error: ProtocolError): void {
    this.#output.end(error);
  }
}

const REFUSALS: Readonly<Record<OpenError["reason"], number>> = {
  busy: Status.BUSY,
  gone: Status.NOT_FOUND,
  denied: Status.DENIED,
  failed: Status.FAILED,
};

function exactly(
  name: string,
  { size }: { readonly size: number },
  use: (payload: Uint8Array) => ProtocolError | undefined,
): WholeMessage {
  return new WholeMessage(name, size, size, use);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && equalBytes(one, 0, other, 0, one.length);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
