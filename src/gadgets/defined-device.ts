import type { Change } from "../usb/chapter9.ts";
import { answerIn, takeOut } from "../usb/control-data.ts";
import { Setup } from "../usb/setup.ts";
import { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../usb/urb.ts";
import { addressOf, definedConfigurations } from "./defined-device-descriptors.ts";
import type { Awaitable, ControlRequest, DeviceDefinition, Receives, Sends } from "./device-definition.ts";
import { Gadget } from "./gadget.ts";
import { MANUFACTURER, RELEASE } from "./identity.ts";

/**
 * A device from a few functions, which may be async. What they throw stalls the transfer and is told once;
 * a stalled endpoint works again when the host has cleared its halt, as with any device.
 */
export function defineDevice(definition: DeviceDefinition): Gadget {
  return new DefinedDevice(definition);
}

/** An IN endpoint: the message that is on its way, and whether the next one has been asked for. */
interface Sending {
  readonly send: Sends["send"];
  message: Uint8Array | undefined;
  at: number;
  isAsked: boolean;
}

/** An OUT endpoint: a transfer at a time is with the definition. */
interface Receiving {
  readonly receive: Receives["receive"];
  isBusy: boolean;
  /** The oldest URB has been handed over; its end, once that is known. */
  current: { readonly urb: Urb; status: TransferStatus | undefined } | undefined;
}

class DefinedDevice extends Gadget {
  readonly #definition: DeviceDefinition;
  readonly #sending = new Map<number, Sending>();
  readonly #receiving = new Map<number, Receiving>();

  constructor(definition: DeviceDefinition) {
    super(
      {
        vendorId: definition.vendorId ?? 0x1209,
        productId: definition.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0,
        manufacturer: definition.manufacturer ?? MANUFACTURER,
        product: definition.product,
        serial: definition.serial ?? "",
        strings: [],
        configurations: (speed) => definedConfigurations(definition, speed),
      },
      definition.speed ?? Speed.high,
    );
    this.#definition = definition;
    for (const endpoint of definition.endpoints ?? []) {
      const address = addressOf(endpoint);
      if ("send" in endpoint) {
        const send = () => endpoint.send();
        this.#sending.set(address, { send, message: undefined, at: 0, isAsked: false });
      } else {
        const receive = (bytes: Uint8Array) => endpoint.receive(bytes);
        this.#receiving.set(address, { receive, isBusy: false, current: undefined });
      }
    }
  }

  protected override transfer(urb: Urb): TransferStatus | undefined {
    return isIn(urb.endpoint)
      ? this.#send(urb, this.#sending.get(urb.endpoint)!)
      : this.#receive(urb, this.#receiving.get(urb.endpoint)!);
  }

  protected override control(urb: Urb): TransferStatus | undefined {
    const { setup } = urb;
    const request: ControlRequest = {
      bmRequestType: Setup.bmRequestType(setup, 0),
      bRequest: Setup.bRequest(setup, 0),
      wValue: Setup.wValue(setup, 0),
      wIndex: Setup.wIndex(setup, 0),
      wLength: Setup.wLength(setup, 0),
      data: isIn(Setup.bmRequestType(setup, 0)) ? new Uint8Array(0) : takeOut(urb).slice(),
    };
    const definition = this.#definition;
    if (definition.control === undefined) return TransferStatus.stall;
    const later = this.later();
    const where = `request 0x${request.bRequest.toString(16).padStart(2, "0")}`;
    this.#call(
      where,
      async () => {
        const answer = await definition.control!(request);
        return answer === undefined ? undefined : bytesOf(answer);
      },
      (answer) => later((waiting) => reply(waiting, answer)),
      () => later(() => TransferStatus.stall),
    );
    return undefined;
  }

  protected override changed(change: Change): void {
    if (change.what !== "configuration") return;
    // A message that is partly with one host does not go on in the next one.
    for (const sending of this.#sending.values()) {
      if (sending.at > 0) sending.message = undefined;
      sending.at = 0;
    }
  }

  protected override dropped(urb: Urb): void {
    const receiving = this.#receiving.get(urb.endpoint);
    if (receiving?.current?.urb === urb) receiving.current = undefined;
  }

  #send(urb: Urb, sending: Sending): TransferStatus | undefined {
    if (sending.message === undefined) {
      this.#ask(urb.endpoint, sending);
      return undefined;
    }
    const length = Math.min(urb.length, sending.message.length - sending.at);
    urb.buffer.set(sending.message.subarray(sending.at, sending.at + length), urb.offset);
    urb.actualLength = length;
    sending.at += length;
    if (sending.at === sending.message.length) {
      sending.message = undefined;
      sending.at = 0;
    }
    return TransferStatus.ok;
  }

  #ask(endpoint: number, sending: Sending): void {
    if (sending.isAsked) return;
    sending.isAsked = true;
    this.#call(
      `send of endpoint ${endpoint & 0x0f}`,
      async () => bytesOf(await sending.send()),
      (message) => {
        sending.isAsked = false;
        sending.message = message;
        this.ready(endpoint);
      },
      () => {
        sending.isAsked = false;
        this.halt(endpoint);
      },
    );
  }

  #receive(urb: Urb, receiving: Receiving): TransferStatus | undefined {
    if (receiving.current !== undefined) {
      const { status } = receiving.current;
      if (status !== undefined) receiving.current = undefined;
      if (status === TransferStatus.stall) this.halt(urb.endpoint);
      return status;
    }
    if (receiving.isBusy) return undefined;
    receiving.isBusy = true;
    const { endpoint } = urb;
    const bytes = urb.buffer.slice(urb.offset, urb.offset + urb.length);
    urb.actualLength = urb.length;
    const current: NonNullable<Receiving["current"]> = { urb, status: undefined };
    receiving.current = current;
    const end = (status: TransferStatus): void => {
      receiving.isBusy = false;
      current.status = status;
      this.ready(endpoint);
    };
    this.#call(
      `receive of endpoint ${endpoint}`,
      () => receiving.receive(bytes),
      () => end(TransferStatus.ok),
      () => end(TransferStatus.stall),
    );
    return undefined;
  }

  /** Calls into the definition, whose promises and exceptions end here. `then` and `failed` run later. */
  #call<T>(where: string, call: () => Awaitable<T>, then: (value: T) => void, failed: () => void): void {
    const attempt = async (): Promise<T> => call();
    attempt().then(then, (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#tell(`${this.#definition.product}: ${where} failed, the guest sees a stall: ${reason}`, error);
      failed();
    });
  }

  #tell(line: string, error: unknown): void {
    try {
      if (this.#definition.onError !== undefined) this.#definition.onError(line, error);
      else (globalThis as unknown as { console: { error(line: string): void } }).console.error(line);
    } catch {
      // A log that fails must not take the device along.
    }
  }
}

/** A request for data that gets nothing is refused. */
function reply(urb: Urb, answer: Uint8Array | undefined): TransferStatus {
  if (!isIn(urb.endpoint)) return TransferStatus.ok;
  return answer === undefined ? TransferStatus.stall : answerIn(urb, answer);
}

/** The definition may be plain JavaScript. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`a Uint8Array is needed, this is ${value === null ? "null" : typeof value}`);
}
