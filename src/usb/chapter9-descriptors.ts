import {
  bosDescriptor,
  deviceDescriptor,
  deviceQualifier,
  joinDescriptors,
  otherSpeedConfiguration,
  superSpeedCapability,
  usb20Extension,
} from "./descriptor-build.ts";
import { DescriptorType } from "./descriptors.ts";
import { Speed } from "./speed.ts";
import { LANGUAGE_ID, LANGUAGES, stringDescriptor } from "./string-descriptor.ts";

/** Indexes of the strings that every device has; `DeviceSpecification.strings` follow. */
export const StringIndex = { manufacturer: 1, product: 2, serial: 3, first: 4 } as const;

/** What a simulated device is, without the parts that follow from the speed. */
export interface DeviceSpecification {
  readonly vendorId: number;
  readonly productId: number;
  /** bcdDevice */
  readonly release: number;
  readonly deviceClass: number;
  readonly manufacturer: string;
  readonly product: string;
  /** Empty: the device has none. */
  readonly serial: string;
  /** Further strings, from index `StringIndex.first`. */
  readonly strings: readonly string[];
  /** Whole configurations as they are at a speed. */
  configurations(speed: Speed): readonly Uint8Array[];
}

/** The descriptors of a device at its speed. */
export interface DescriptorAnswers {
  /** For people. */
  readonly product: string;
  /** The device descriptor followed by the configurations. */
  readonly all: Uint8Array;
  readonly configurations: readonly Uint8Array[];
  /** What GET_DESCRIPTOR sends, or nothing for a stall. */
  find(type: number, index: number, language: number): Uint8Array | undefined;
}

/** Every descriptor that a device has at one speed, and the answer to GET_DESCRIPTOR. */
export class Chapter9Descriptors implements DescriptorAnswers {
  readonly product: string;
  readonly device: Uint8Array;
  readonly configurations: readonly Uint8Array[];
  readonly #qualifier: Uint8Array | undefined;
  readonly #otherSpeed: readonly Uint8Array[];
  readonly #bos: Uint8Array | undefined;
  readonly #strings: readonly Uint8Array[];

  constructor(specification: DeviceSpecification, speed: Speed) {
    this.product = specification.product;
    this.configurations = specification.configurations(speed);
    const identity = {
      bcdUSB: speed >= Speed.super ? 0x0320 : 0x0200,
      bDeviceClass: specification.deviceClass,
      bDeviceSubClass: 0,
      bDeviceProtocol: 0,
    };
    this.device = deviceDescriptor({
      ...identity,
      bMaxPacketSize0: maxPacketSize0(speed),
      idVendor: specification.vendorId,
      idProduct: specification.productId,
      bcdDevice: specification.release,
      iManufacturer: StringIndex.manufacturer,
      iProduct: StringIndex.product,
      iSerialNumber: specification.serial === "" ? 0 : StringIndex.serial,
      bNumConfigurations: this.configurations.length,
    });
    // A device that cannot do both full and high speed must stall these two (USB 2.0 §9.6.2, §9.6.4).
    const other = speed === Speed.high ? specification.configurations(Speed.full) : [];
    this.#otherSpeed = other.map(otherSpeedConfiguration);
    if (speed === Speed.high) {
      this.#qualifier = deviceQualifier({
        ...identity,
        bMaxPacketSize0: maxPacketSize0(Speed.full),
        bNumConfigurations: other.length,
      });
    }
    if (speed >= Speed.super) this.#bos = binaryObjectStore();
    this.#strings = [
      specification.manufacturer,
      specification.product,
      specification.serial,
      ...specification.strings,
    ].map(stringDescriptor);
  }

  get all(): Uint8Array {
    return joinDescriptors(this.device, ...this.configurations);
  }

  find(type: number, index: number, language: number): Uint8Array | undefined {
    switch (type) {
      case DescriptorType.DEVICE:
        return index === 0 ? this.device : undefined;
      case DescriptorType.CONFIGURATION:
        return this.configurations[index];
      case DescriptorType.STRING:
        if (index === 0) return LANGUAGES;
        if (index === StringIndex.serial && this.device[16] === 0) return undefined;
        return language === LANGUAGE_ID ? this.#strings[index - 1] : undefined;
      case DescriptorType.DEVICE_QUALIFIER:
        return index === 0 ? this.#qualifier : undefined;
      case DescriptorType.OTHER_SPEED_CONFIGURATION:
        return this.#otherSpeed[index];
      case DescriptorType.BOS:
        return index === 0 ? this.#bos : undefined;
      default:
        return undefined;
    }
  }
}

/** An exponent from super speed on (USB 3.2 §9.6.1): 2^9 bytes. */
function maxPacketSize0(speed: Speed): number {
  if (speed >= Speed.super) return 9;
  return speed === Speed.low ? 8 : 64;
}

function binaryObjectStore(): Uint8Array {
  return bosDescriptor(
    // Bit 1, LPM: required of every SuperSpeed device (USB 3.2 §9.6.2.1).
    usb20Extension(0x2),
    superSpeedCapability({
      bmAttributes: 0x02, // LTM_ENABLE is accepted
      wSpeedsSupported: 0x000e, // full, high, super
      bFunctionalitySupport: 1, // everything works at full speed already
      // Not 0: Linux logs a zero as a broken device. Within the limits of USB 3.2 table 9-16.
      bU1DevExitLat: 1,
      wU2DevExitLat: 500,
    }),
  );
}
