import type { Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { AttachedDevices } from "./attached-devices.ts";
import { Channel, type HelloValue } from "./channel.ts";
import type { Exchange } from "./exchange.ts";
import type { HostDevice } from "./host-device.ts";
import { IncomingRequest } from "./incoming-request.ts";
import { CREDIT_MAX, MAX_PACKETS, MAX_TRANSFER_LENGTH, WSLUSB_LIMITS, type WslusbLimits } from "./limits.ts";
import { type IncomingMessage, WholeMessage } from "./message-reader.ts";
import {
  AttachRequest,
  CancelRequest,
  CancelResponse,
  Credit,
  DetachRequest,
  EnumerationRequest,
  Hello,
  isEnded,
  MAGIC,
  MessageType,
  ResetRequest,
  WSLUSB_VERSION,
} from "./messages.ts";
import { OfferNews } from "./offer-news.ts";
import type { Offers } from "./offered-device.ts";
import { SharedMemory } from "./shared-memory.ts";
import { Status } from "./status.ts";

/** What the engine asks of the connection it serves. */
export interface HostOutput {
  /** The chunks belong to the engine again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The conversation is over: send what was written, close, and call `disconnected`. */
  end(error: ProtocolError): void;
}

/** What a client numbers, because it is answered. */
const REQUESTS: ReadonlySet<number> = new Set([
  MessageType.DeviceEnumeration,
  MessageType.DeviceAttach,
  MessageType.DeviceDetach,
  MessageType.UrbRequest,
  MessageType.UrbCancel,
  MessageType.DeviceReset,
]);

const UNKNOWN = -1;

/**
 * Host side of one WSL-USB connection: a sink that takes many devices. Fed bytes, it asks for bytes to be written; it
 * does no I/O.
 */
export class WslusbHost {
  readonly #loop: Loop;
  readonly #limits: WslusbLimits;
  readonly #channel: Channel;
  readonly #devices: AttachedDevices;
  readonly #news: OfferNews;
  readonly #inFlight = new Map<number, Exchange>();
  readonly #touched = new Set<HostDevice>();
  /** Each was used for a request that has come; as many as were begun at a time. */
  readonly #spare: IncomingRequest[] = [];
  #arrivedMs = 0;
  #answeredMs = UNKNOWN;
  #isReading = false;
  #sendIsDue = false;

  constructor(offers: Offers, loop: Loop, output: HostOutput, limits: WslusbLimits = WSLUSB_LIMITS) {
    this.#loop = loop;
    this.#limits = limits;
    this.#channel = new Channel(loop, limits, (chunks, written) => output.write(chunks, written), {
      greeted: (hello) => this.#greeted(hello),
      begin: (type, sequence) => this.#begin(type, sequence),
      granted: (device, bytes) => this.#devices.granted(device, bytes),
      failed: (error) => output.end(error),
    });
    const arrived = (): number => this.#arrivedMs;
    const answered = (): number => this.#answered();
    this.#devices = new AttachedDevices(offers, this.#channel, {
      outbox: this.#channel.outbox,
      memory: new SharedMemory(limits, () => this.#devices.forgetMemory()),
      loop,
      limits,
      inFlight: this.#inFlight,
      touched: this.#touched,
      get arrivedMs() {
        return arrived();
      },
      get answeredMs() {
        return answered();
      },
      grant: (device, bytes) => this.#channel.say(MessageType.Credit, 0, Credit.encode({ device, bytes })),
      sendSoon: () => this.#sendSoon(),
      configured: (device) => this.#devices.configured(device),
      unplugged: (device) => this.#devices.takeBack(device, Status.DISCONNECTED, "unplugged"),
    });
    this.#news = new OfferNews(offers, this.#channel, loop);
  }

  /** What the client owes: `greeting` a Hello, `open` nothing, `over` nothing ever. */
  get phase(): "greeting" | "open" | "over" {
    return this.#channel.phase;
  }

  /** The client keeps devices, or waits for some. */
  get isUsed(): boolean {
    return this.#news.isFollowed || !this.#devices.isEmpty;
  }

  /** Bytes of the client, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    this.#arrivedMs = this.#loop.now();
    this.#isReading = true;
    const error = this.#channel.read(bytes);
    for (const device of this.#touched) device.flush();
    this.#touched.clear();
    this.#isReading = false;
    this.#answeredMs = UNKNOWN;
    this.#channel.settle(error);
  }

  /** What is offered may have changed: a client that asked to be told is told of the difference. */
  offersChanged(): void {
    this.#news.changed();
  }

  /** Ends it from this side: the client is told why, and every device is given back. `end` follows. */
  leave(error: ProtocolError): void {
    this.#devices.closeAll();
    this.#channel.fail(error);
  }

  /** The connection is gone: every device is given back, then `closed` runs. */
  disconnected(closed: () => void): void {
    this.#channel.stop();
    this.#devices.closeAll();
    this.#devices.whenIdle(closed);
  }

  #answered(): number {
    if (!this.#isReading) return this.#loop.now();
    if (this.#answeredMs === UNKNOWN) this.#answeredMs = this.#loop.now();
    return this.#answeredMs;
  }

  #greeted({ version, lowest_version, credit }: HelloValue): ProtocolError | undefined {
    if (version < WSLUSB_VERSION || lowest_version > WSLUSB_VERSION) {
      return new ProtocolError(
        "BAD_VERSION",
        `the client speaks versions ${lowest_version} to ${version}, this host ${WSLUSB_VERSION}`,
      );
    }
    this.#devices.credit = credit;
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
    if (sequence === 0 && REQUESTS.has(type)) {
      return new ProtocolError("BAD_FIELD", `a request of type ${type} has the number 0`);
    }
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
          this.#news.list(sequence, EnumerationRequest.flags(payload, 0)),
        );
      case MessageType.DeviceAttach:
        return exactly("DeviceAttach", AttachRequest, (payload) =>
          isEnded(payload, AttachRequest.size)
            ? this.#devices.attach(sequence, AttachRequest.instance_id(payload, 0))
            : new ProtocolError("BAD_FIELD", "the instance_id of a DeviceAttach does not end with NUL"),
        );
      case MessageType.DeviceDetach:
        return exactly("DeviceDetach", DetachRequest, (payload) =>
          this.#devices.detach(sequence, DetachRequest.device(payload, 0)),
        );
      case MessageType.DeviceReset:
        return exactly("DeviceReset", ResetRequest, (payload) =>
          this.#devices.reset(sequence, ResetRequest.device(payload, 0)),
        );
      default:
        return new ProtocolError("BAD_COMMAND", `a client sends no message of type ${type}`);
    }
  }

  readonly #requests = {
    device: (handle: number): HostDevice | undefined | ProtocolError => this.#devices.find(handle),
    over: (request: IncomingRequest): void => void this.#spare.push(request),
  };

  #cancel(sequence: number, urb: number): undefined {
    const exchange = this.#inFlight.get(urb);
    const status = exchange?.owner.cancel(exchange) === true ? Status.OK : Status.NOT_FOUND;
    this.#channel.say(MessageType.UrbCancel, sequence, CancelResponse.encode({ urb, status }));
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
}

function exactly(
  name: string,
  { size }: { readonly size: number },
  use: (payload: Uint8Array) => ProtocolError | undefined,
): WholeMessage {
  return new WholeMessage(name, size, size, use);
}
