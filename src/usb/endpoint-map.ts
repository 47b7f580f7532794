import { ProtocolError } from "../wire/protocol-error.ts";
import {
  type Configuration,
  type Descriptors,
  type EndpointSetting,
  type InterfaceSetting,
  parseDescriptors,
} from "./descriptor-walk.ts";
import { EndpointTable } from "./endpoint-table.ts";
import {
  REQUEST_DIRECTION_IN,
  REQUEST_KIND_MASK,
  REQUEST_RECIPIENT_MASK,
  Recipient,
  RequestKind,
  Setup,
  StandardRequest,
} from "./setup.ts";
import { Speed } from "./speed.ts";
import { TransferType } from "./urb.ts";

/** An endpoint of an active alternate setting. */
export interface Endpoint {
  /** With the direction in bit 7. */
  readonly address: number;
  readonly type: TransferType;
  /** Bytes of one packet. */
  readonly maxPacketSize: number;
  /** Most bytes in one service interval: packet size times transactions or bursts. */
  readonly bytesPerInterval: number;
  /** Service interval in frames (low, full speed) or microframes; 0 for bulk. */
  readonly interval: number;
  readonly interfaceNumber: number;
}

/**
 * The endpoints that exist right now: built from the descriptors, kept true by the control requests that
 * completed. The one place for transfer types and packet sizes.
 */
export class EndpointMap {
  readonly #descriptors: Descriptors;
  readonly #speed: Speed;
  #configuration = 0;
  readonly #alternates = new Map<number, number>();
  /** In the order of their descriptors. */
  readonly #endpoints: Endpoint[] = [];
  readonly #byAddress = new EndpointTable<Endpoint>();

  constructor(descriptors: Descriptors, speed: Speed) {
    this.#descriptors = descriptors;
    this.#speed = speed;
  }

  /** A map over raw descriptors with a configuration active, or why they cannot be used. */
  static of(bytes: Uint8Array, speed: Speed, configuration: number): EndpointMap | ProtocolError {
    const descriptors = parseDescriptors(bytes);
    if (descriptors instanceof ProtocolError) return descriptors;
    const map = new EndpointMap(descriptors, speed);
    map.configure(configuration);
    return map;
  }

  /** bConfigurationValue, 0 when unconfigured. */
  get configuration(): number {
    return this.#configuration;
  }

  find(address: number): Endpoint | undefined {
    return this.#byAddress.get(address);
  }

  all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** Of every endpoint that it may ever have, in whatever configuration and alternate setting; some several times. */
  addresses(): readonly number[] {
    return this.#descriptors.configurations.flatMap(({ settings }) =>
      settings.flatMap(({ endpoints }) => endpoints.map(({ descriptor }) => descriptor.bEndpointAddress)),
    );
  }

  /** Whether there is such a configuration. */
  has(configuration: number): boolean {
    return this.#find(configuration) !== undefined;
  }

  /** The active alternate setting, or nothing if the configuration has no such interface. */
  alternate(interfaceNumber: number): number | undefined {
    return this.#alternates.get(interfaceNumber);
  }

  /**
   * Makes a configuration active, each interface at alternate setting 0; also when it was active already
   * (USB 2.0 §9.1.1.5). False if there is no such configuration, and nothing changes.
   */
  configure(value: number): boolean {
    if (value !== 0 && this.#find(value) === undefined) return false;
    this.#configuration = value;
    this.#alternates.clear();
    for (const { descriptor } of this.#find(value)?.settings ?? []) {
      this.#alternates.set(descriptor.bInterfaceNumber, 0);
    }
    this.#rebuild();
    return true;
  }

  /** Selects an alternate setting. False if it does not exist, and nothing changes. */
  select(interfaceNumber: number, alternate: number): boolean {
    if (this.#setting(interfaceNumber, alternate) === undefined) return false;
    this.#alternates.set(interfaceNumber, alternate);
    this.#rebuild();
    return true;
  }

  /** Follows a control request that the device has carried out. */
  completed(setup: Uint8Array): void {
    const bmRequestType = Setup.bmRequestType(setup, 0);
    // Some devices accept a read of the same number, and nothing changes.
    if ((bmRequestType & (REQUEST_DIRECTION_IN | REQUEST_KIND_MASK)) !== RequestKind.standard) return;
    const recipient = bmRequestType & REQUEST_RECIPIENT_MASK;
    const bRequest = Setup.bRequest(setup, 0);
    if (bRequest === StandardRequest.SET_CONFIGURATION && recipient === Recipient.device) {
      this.configure(Setup.wValue(setup, 0) & 0xff);
    } else if (bRequest === StandardRequest.SET_INTERFACE && recipient === Recipient.interface) {
      this.select(Setup.wIndex(setup, 0), Setup.wValue(setup, 0));
    }
  }

  #find(value: number): Configuration | undefined {
    return this.#descriptors.configurations.find((c) => c.descriptor.bConfigurationValue === value);
  }

  #setting(interfaceNumber: number, alternate: number): InterfaceSetting | undefined {
    return this.#find(this.#configuration)?.settings.find(
      ({ descriptor }) =>
        descriptor.bInterfaceNumber === interfaceNumber && descriptor.bAlternateSetting === alternate,
    );
  }

  /** Of endpoints with the same address the last one counts. */
  #put(endpoint: Endpoint): void {
    const same = this.#byAddress.get(endpoint.address);
    if (same === undefined) this.#endpoints.push(endpoint);
    else this.#endpoints[this.#endpoints.indexOf(same)] = endpoint;
    this.#byAddress.set(endpoint.address, endpoint);
  }

  #rebuild(): void {
    this.#endpoints.length = 0;
    this.#byAddress.clear();
    for (const [interfaceNumber, alternate] of this.#alternates) {
      for (const setting of this.#setting(interfaceNumber, alternate)?.endpoints ?? []) {
        const endpoint = describe(setting, interfaceNumber, this.#speed);
        this.#put(endpoint);
      }
    }
  }
}

function describe(
  { descriptor, companion }: EndpointSetting,
  interfaceNumber: number,
  speed: Speed,
): Endpoint {
  const type = (descriptor.bmAttributes & 3) as TransferType;
  const maxPacketSize = descriptor.wMaxPacketSize & 0x7ff;
  return {
    address: descriptor.bEndpointAddress & 0x8f,
    type,
    maxPacketSize,
    bytesPerInterval: maxPacketSize * packetsPerInterval(descriptor.wMaxPacketSize, companion, type, speed),
    interval: serviceInterval(descriptor.bInterval, type, speed),
    interfaceNumber,
  };
}

function packetsPerInterval(
  wMaxPacketSize: number,
  companion: EndpointSetting["companion"],
  type: TransferType,
  speed: Speed,
): number {
  if (type !== TransferType.isochronous && type !== TransferType.interrupt) return 1;
  if (companion !== undefined) {
    const mult = type === TransferType.isochronous ? (companion.bmAttributes & 3) + 1 : 1;
    return (companion.bMaxBurst + 1) * mult;
  }
  // Bits 12..11: additional transactions per microframe, high speed only (USB 2.0 §9.6.6).
  return speed === Speed.high ? ((wMaxPacketSize >> 11) & 3) + 1 : 1;
}

/** bInterval counts frames for low and full speed interrupts, else it is an exponent (USB 2.0 table 9-13). */
function serviceInterval(bInterval: number, type: TransferType, speed: Speed): number {
  if (type === TransferType.control || type === TransferType.bulk) return 0;
  if (speed <= Speed.full && type === TransferType.interrupt) return Math.max(bInterval, 1);
  return 1 << (Math.min(Math.max(bInterval, 1), 16) - 1);
}
