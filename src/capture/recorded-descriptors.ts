import type { DescriptorAnswers } from "../usb/chapter9-descriptors.ts";
import { joinDescriptors } from "../usb/descriptor-build.ts";
import { parseConfiguration, parseDescriptors } from "../usb/descriptor-walk.ts";
import { DescriptorType, DeviceDescriptor } from "../usb/descriptors.ts";
import { REQUEST_DIRECTION_IN, Setup, StandardRequest } from "../usb/setup.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

/** The descriptors of a device, each as long as the longest answer that was recorded. */
export class RecordedDescriptors implements DescriptorAnswers {
  readonly product = "the recorded device";
  readonly #answers = new Map<string, Uint8Array>();

  /** Whether it was a request of the device for a descriptor. */
  take(setup: Uint8Array, status: TransferStatus, data: Uint8Array): boolean {
    const isDescriptor =
      Setup.bmRequestType(setup, 0) === REQUEST_DIRECTION_IN &&
      Setup.bRequest(setup, 0) === StandardRequest.GET_DESCRIPTOR;
    if (!isDescriptor) return false;
    const value = Setup.wValue(setup, 0);
    const key = keyOf(value >> 8, value & 0xff, Setup.wIndex(setup, 0));
    if (status === TransferStatus.ok && data.length > (this.#answers.get(key)?.length ?? 0)) {
      this.#answers.set(key, data.slice());
    }
    return true;
  }

  /** There is enough of it to make a device. */
  get isWhole(): boolean {
    const device = this.#answers.get(keyOf(DescriptorType.DEVICE, 0, 0));
    return device !== undefined && device.length >= DeviceDescriptor.size && this.configurations.length > 0;
  }

  /** What keeps it from being parsed. */
  get fault(): ProtocolError | undefined {
    const parsed = parseDescriptors(this.all);
    return parsed instanceof ProtocolError ? parsed : undefined;
  }

  get all(): Uint8Array {
    return joinDescriptors(this.#device, ...this.configurations);
  }

  /** Those that were read whole, up to the first that was not. */
  get configurations(): readonly Uint8Array[] {
    const found: Uint8Array[] = [];
    for (;;) {
      const bytes = this.#answers.get(keyOf(DescriptorType.CONFIGURATION, found.length, 0));
      const parsed = bytes === undefined ? undefined : parseConfiguration(bytes);
      if (parsed === undefined || parsed instanceof ProtocolError) return found;
      found.push(parsed.bytes);
    }
  }

  find(type: number, index: number, language: number): Uint8Array | undefined {
    if (type === DescriptorType.DEVICE) return this.#device;
    if (type === DescriptorType.CONFIGURATION) return this.configurations[index];
    return this.#answers.get(keyOf(type, index, language));
  }

  /** With as many configurations as there are. */
  get #device(): Uint8Array {
    const device = this.#answers.get(keyOf(DescriptorType.DEVICE, 0, 0))!.slice(0, DeviceDescriptor.size);
    DeviceDescriptor.put.bNumConfigurations(device, 0, this.configurations.length);
    return device;
  }
}

function keyOf(type: number, index: number, language: number): string {
  return `${type} ${index} ${language}`;
}
