import { ProtocolError } from "../wire/protocol-error.ts";
import {
  Chapter9Descriptors,
  type DescriptorAnswers,
  type DeviceSpecification,
} from "./chapter9-descriptors.ts";
import { answerIn, takeOut } from "./control-data.ts";
import { parseDescriptors } from "./descriptor-walk.ts";
import { ConfigurationDescriptor } from "./descriptors.ts";
import { EndpointMap } from "./endpoint-map.ts";
import { endpointSlot } from "./endpoint-slot.ts";
import { Feature, Setup } from "./setup.ts";
import { Speed } from "./speed.ts";
import { TransferStatus, TransferType, type Urb } from "./urb.ts";

/** What a standard request has changed. Endpoints in `gone` end their transfers, also if they come back. */
export type Change =
  | { readonly what: "configuration"; readonly gone: readonly number[] }
  | { readonly what: "alternate"; readonly gone: readonly number[]; readonly interfaceNumber: number }
  | { readonly what: "halt"; readonly endpoint: number; readonly halted: boolean };

/** bmRequestType and bRequest of the standard requests (USB 2.0 table 9-3, USB 3.2 table 9-4). */
const Request = {
  GET_STATUS_DEVICE: 0x8000,
  GET_STATUS_INTERFACE: 0x8100,
  GET_STATUS_ENDPOINT: 0x8200,
  CLEAR_FEATURE_DEVICE: 0x0001,
  CLEAR_FEATURE_INTERFACE: 0x0101,
  CLEAR_FEATURE_ENDPOINT: 0x0201,
  SET_FEATURE_DEVICE: 0x0003,
  SET_FEATURE_INTERFACE: 0x0103,
  SET_FEATURE_ENDPOINT: 0x0203,
  SET_ADDRESS: 0x0005,
  GET_DESCRIPTOR: 0x8006,
  GET_CONFIGURATION: 0x8008,
  SET_CONFIGURATION: 0x0009,
  GET_INTERFACE: 0x810a,
  SET_INTERFACE: 0x010b,
  SET_SEL: 0x0030,
  SET_ISOCH_DELAY: 0x0031,
} as const;

/** bmAttributes of a configuration (USB 2.0 table 9-10). */
const SELF_POWERED = 0x40;
const REMOTE_WAKEUP = 0x20;

/** System exit latencies (USB 3.2 §9.4.12). */
const SET_SEL_LENGTH = 6;

/**
 * The standard requests of a simulated device, and the state they act on. States follow USB 2.0 §9.4: the
 * default and the address state are one here, because sources have no address.
 */
export class Chapter9 {
  /** The device descriptor followed by the configurations. */
  readonly descriptors: Uint8Array;
  readonly endpoints: EndpointMap;
  readonly #speed: Speed;
  readonly #answers: DescriptorAnswers;
  readonly #changed: (change: Change) => void;
  /** A bit for each `endpointSlot`: looked at for every transfer. */
  #halted = 0;
  /** DEVICE_REMOTE_WAKEUP, U1_ENABLE, U2_ENABLE and LTM_ENABLE that are set. */
  readonly #features = new Set<number>();

  /** `changed` runs inside `answer`, `halt` and `reset`, after the change. */
  constructor(
    specification: DeviceSpecification | DescriptorAnswers,
    speed: Speed,
    changed: (change: Change) => void,
  ) {
    this.#speed = speed;
    this.#changed = changed;
    this.#answers = "find" in specification ? specification : new Chapter9Descriptors(specification, speed);
    this.descriptors = this.#answers.all;
    const parsed = parseDescriptors(this.descriptors);
    if (parsed instanceof ProtocolError)
      throw new Error(`the descriptors of a gadget are wrong: ${parsed.message}`);
    this.endpoints = new EndpointMap(parsed, speed);
  }

  isHalted(endpoint: number): boolean {
    return (this.#halted & slotBit(endpoint)) !== 0;
  }

  /** The device itself halts one of its endpoints. */
  halt(endpoint: number): void {
    if (this.#canHalt(endpoint)) this.#setHalt(endpoint, true);
  }

  /** A bus reset: unconfigured, nothing halted, no feature set. */
  reset(): void {
    this.#features.clear();
    this.#configure(0);
  }

  /** Carries out a standard request. The caller has checked the direction and the bounds of the data stage. */
  answer(urb: Urb): TransferStatus {
    const { setup } = urb;
    const wValue = Setup.wValue(setup, 0);
    const wIndex = Setup.wIndex(setup, 0);
    switch ((Setup.bmRequestType(setup, 0) << 8) | Setup.bRequest(setup, 0)) {
      case Request.GET_STATUS_DEVICE:
        return wValue === 0 && wIndex === 0 ? answerStatus(urb, this.#deviceStatus()) : TransferStatus.stall;
      case Request.GET_STATUS_INTERFACE:
        return this.#hasInterface(wIndex) ? answerStatus(urb, 0) : TransferStatus.stall;
      case Request.GET_STATUS_ENDPOINT:
        if (!isDefaultPipe(wIndex) && this.endpoints.find(wIndex) === undefined) return TransferStatus.stall;
        return answerStatus(urb, this.isHalted(wIndex) ? 1 : 0);
      case Request.CLEAR_FEATURE_DEVICE:
        return this.#deviceFeature(wValue, false);
      case Request.SET_FEATURE_DEVICE:
        return this.#deviceFeature(wValue, true);
      case Request.CLEAR_FEATURE_INTERFACE:
      case Request.SET_FEATURE_INTERFACE:
        return this.#functionSuspend(wValue, wIndex);
      case Request.CLEAR_FEATURE_ENDPOINT:
        return this.#endpointFeature(wValue, wIndex, false);
      case Request.SET_FEATURE_ENDPOINT:
        return this.#endpointFeature(wValue, wIndex, true);
      case Request.SET_ADDRESS:
        // Controllers address devices themselves; some sinks pass the request on all the same.
        return TransferStatus.ok;
      case Request.GET_DESCRIPTOR:
        return answerOrStall(urb, this.#answers.find(wValue >> 8, wValue & 0xff, wIndex));
      case Request.GET_CONFIGURATION:
        return answerIn(urb, Uint8Array.of(this.endpoints.configuration));
      case Request.SET_CONFIGURATION:
        return this.#configure(wValue & 0xff) ? TransferStatus.ok : TransferStatus.stall;
      case Request.GET_INTERFACE: {
        const alternate = this.endpoints.alternate(wIndex);
        return answerOrStall(urb, alternate === undefined ? undefined : Uint8Array.of(alternate));
      }
      case Request.SET_INTERFACE:
        return this.#select(wIndex, wValue) ? TransferStatus.ok : TransferStatus.stall;
      case Request.SET_SEL:
        if (this.#speed < Speed.super || Setup.wLength(setup, 0) !== SET_SEL_LENGTH)
          return TransferStatus.stall;
        takeOut(urb);
        return TransferStatus.ok;
      case Request.SET_ISOCH_DELAY:
        return this.#speed < Speed.super ? TransferStatus.stall : TransferStatus.ok;
      default:
        return TransferStatus.stall;
    }
  }

  #configure(value: number): boolean {
    const gone = Array.from(this.endpoints.all(), ({ address }) => address);
    if (!this.endpoints.configure(value)) return false;
    this.#halted = 0;
    this.#changed({ what: "configuration", gone });
    return true;
  }

  #select(interfaceNumber: number, alternate: number): boolean {
    const gone: number[] = [];
    for (const endpoint of this.endpoints.all()) {
      if (endpoint.interfaceNumber === interfaceNumber) gone.push(endpoint.address);
    }
    if (!this.endpoints.select(interfaceNumber, alternate)) return false;
    for (const address of gone) this.#halted &= ~slotBit(address);
    this.#changed({ what: "alternate", gone, interfaceNumber });
    return true;
  }

  #hasInterface(interfaceNumber: number): boolean {
    return this.endpoints.alternate(interfaceNumber) !== undefined;
  }

  #deviceStatus(): number {
    let status = (this.#attributes() & SELF_POWERED) === 0 ? 0 : 1;
    if (this.#features.has(Feature.DEVICE_REMOTE_WAKEUP)) status |= 1 << 1;
    if (this.#features.has(Feature.U1_ENABLE)) status |= 1 << 2;
    if (this.#features.has(Feature.U2_ENABLE)) status |= 1 << 3;
    if (this.#features.has(Feature.LTM_ENABLE)) status |= 1 << 4;
    return status;
  }

  /** bmAttributes of the active configuration, of the first one while there is none. */
  #attributes(): number {
    const { configurations } = this.#answers;
    const active = configurations.find(
      (bytes) => ConfigurationDescriptor.bConfigurationValue(bytes, 0) === this.endpoints.configuration,
    );
    return ConfigurationDescriptor.bmAttributes(active ?? configurations[0]!, 0);
  }

  #deviceFeature(feature: number, on: boolean): TransferStatus {
    switch (feature) {
      case Feature.DEVICE_REMOTE_WAKEUP:
        // From super speed on remote wakeup belongs to the function (USB 3.2 §9.4.9).
        if (this.#speed >= Speed.super || (this.#attributes() & REMOTE_WAKEUP) === 0)
          return TransferStatus.stall;
        break;
      case Feature.U1_ENABLE:
      case Feature.U2_ENABLE:
      case Feature.LTM_ENABLE:
        if (this.#speed < Speed.super || this.endpoints.configuration === 0) return TransferStatus.stall;
        break;
      default:
        return TransferStatus.stall;
    }
    if (on) this.#features.add(feature);
    else this.#features.delete(feature);
    return TransferStatus.ok;
  }

  /** The high byte of wIndex holds the suspend options (USB 3.2 table 9-9); a gadget has no power to save. */
  #functionSuspend(feature: number, wIndex: number): TransferStatus {
    const known = this.#speed >= Speed.super && feature === Feature.FUNCTION_SUSPEND;
    return known && this.#hasInterface(wIndex & 0xff) ? TransferStatus.ok : TransferStatus.stall;
  }

  #endpointFeature(feature: number, endpoint: number, on: boolean): TransferStatus {
    if (feature !== Feature.ENDPOINT_HALT) return TransferStatus.stall;
    // The default pipe recovers with the next setup packet, so its halt cannot be seen (USB 2.0 §8.5.3.4).
    if (isDefaultPipe(endpoint)) return TransferStatus.ok;
    if (!this.#canHalt(endpoint)) return TransferStatus.stall;
    this.#setHalt(endpoint, on);
    return TransferStatus.ok;
  }

  /** Isochronous endpoints have no handshake to stall with (USB 2.0 §5.6.4). */
  #canHalt(endpoint: number): boolean {
    const type = this.endpoints.find(endpoint)?.type;
    return type === TransferType.bulk || type === TransferType.interrupt;
  }

  #setHalt(endpoint: number, halted: boolean): void {
    if (halted) this.#halted |= slotBit(endpoint);
    else this.#halted &= ~slotBit(endpoint);
    this.#changed({ what: "halt", endpoint, halted });
  }
}

function slotBit(endpoint: number): number {
  return 1 << endpointSlot(endpoint);
}

function isDefaultPipe(wIndex: number): boolean {
  return wIndex === 0x00 || wIndex === 0x80;
}

function answerStatus(urb: Urb, status: number): TransferStatus {
  return answerIn(urb, Uint8Array.of(status, 0));
}

function answerOrStall(urb: Urb, bytes: Uint8Array | undefined): TransferStatus {
  return bytes === undefined ? TransferStatus.stall : answerIn(urb, bytes);
}
