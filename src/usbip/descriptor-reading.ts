import { ConfigurationDescriptor, DescriptorType, DeviceDescriptor } from "../usb/descriptors.ts";
import { StandardRequest } from "../usb/setup.ts";
import type { ControlRead } from "../usb/string-reading.ts";
import { TransferStatus } from "../usb/urb.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

/** Far above any device, and far below what 255 configurations of 64 KiB could make of us. */
const MAX_BYTES = 1 << 20;

/**
 * Reads the device descriptor and every configuration, the form of `UsbDevice.descriptors`. As Linux does, a
 * configuration that is shorter than it says is taken as it came, and those behind a failed one are left out.
 */
export class DescriptorReading {
  readonly #read: ControlRead;
  readonly #done: (result: Uint8Array | ProtocolError) => void;
  readonly #configurations: Uint8Array[] = [];
  #device: Uint8Array = new Uint8Array(0);
  #bytes = 0;

  constructor(read: ControlRead, done: (result: Uint8Array | ProtocolError) => void) {
    this.#read = read;
    this.#done = done;
  }

  start(): void {
    this.#descriptor(DescriptorType.DEVICE, 0, DeviceDescriptor.size, (bytes) => {
      if (bytes === undefined || bytes.length < DeviceDescriptor.size) {
        this.#done(new ProtocolError("TRUNCATED", "the device does not tell its device descriptor"));
        return;
      }
      this.#device = bytes;
      // The copy stands alone: what a longer bLength promises did not come.
      DeviceDescriptor.put.bLength(this.#device, 0, DeviceDescriptor.size);
      this.#configuration(0);
    });
  }

  #configuration(index: number): void {
    if (index >= DeviceDescriptor.bNumConfigurations(this.#device, 0)) {
      this.#finish();
      return;
    }
    this.#descriptor(DescriptorType.CONFIGURATION, index, ConfigurationDescriptor.size, (head) => {
      if (head === undefined || head.length < ConfigurationDescriptor.size) {
        this.#finish();
        return;
      }
      const total = ConfigurationDescriptor.wTotalLength(head, 0);
      this.#bytes += total;
      if (this.#bytes > MAX_BYTES) {
        this.#done(new ProtocolError("BAD_LENGTH", `the descriptors are longer than ${MAX_BYTES} bytes`));
        return;
      }
      this.#descriptor(DescriptorType.CONFIGURATION, index, total, (bytes) => {
        if (bytes === undefined || bytes.length < ConfigurationDescriptor.size) {
          this.#finish();
          return;
        }
        ConfigurationDescriptor.put.wTotalLength(bytes, 0, bytes.length);
        this.#configurations.push(bytes);
        this.#configuration(index + 1);
      });
    });
  }

  #finish(): void {
    DeviceDescriptor.put.bNumConfigurations(this.#device, 0, this.#configurations.length);
    const length = this.#configurations.reduce((sum, bytes) => sum + bytes.length, this.#device.length);
    const descriptors = new Uint8Array(length);
    let at = 0;
    for (const bytes of [this.#device, ...this.#configurations]) {
      descriptors.set(bytes, at);
      at += bytes.length;
    }
    this.#done(descriptors);
  }

  #descriptor(type: number, index: number, length: number, done: (bytes?: Uint8Array) => void): void {
    const { GET_DESCRIPTOR } = StandardRequest;
    const setup = Uint8Array.of(0x80, GET_DESCRIPTOR, index, type, 0, 0, length & 0xff, length >> 8);
    this.#read(setup, length, (status, bytes) => {
      const isRight = status === TransferStatus.ok && bytes[1] === type;
      done(isRight ? bytes : undefined);
    });
  }
}
