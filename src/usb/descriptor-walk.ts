import { ProtocolError } from "../wire/protocol-error.ts";
import {
  ConfigurationDescriptor,
  DescriptorType,
  DeviceDescriptor,
  EndpointDescriptor,
  InterfaceDescriptor,
  SuperSpeedEndpointCompanion,
} from "./descriptors.ts";

/** One alternate setting of an interface, with its endpoints. */
export interface InterfaceSetting {
  readonly descriptor: StructValueOf<typeof InterfaceDescriptor>;
  readonly endpoints: readonly EndpointSetting[];
}

export interface EndpointSetting {
  readonly descriptor: StructValueOf<typeof EndpointDescriptor>;
  /** SuperSpeed only. */
  readonly companion?: StructValueOf<typeof SuperSpeedEndpointCompanion>;
}

export interface Configuration {
  readonly descriptor: StructValueOf<typeof ConfigurationDescriptor>;
  /** The configuration as GET_DESCRIPTOR sends it, class descriptors included. */
  readonly bytes: Uint8Array;
  /** Every alternate setting, in the order of the descriptors. */
  readonly settings: readonly InterfaceSetting[];
}

export interface Descriptors {
  readonly device: StructValueOf<typeof DeviceDescriptor>;
  readonly configurations: readonly Configuration[];
}

type StructValueOf<S> = S extends { decode(bytes: Uint8Array, at?: number): infer V }
  ? Exclude<V, ProtocolError>
  : never;

/**
 * Cuts bytes at their bLength fields. Ends silently before a descriptor that is shorter than its own two
 * header bytes or longer than what is left: real devices send such tails, and drivers ignore them too.
 */
export function* descriptorSlices(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (at + 2 <= bytes.length) {
    const length = bytes[at]!;
    if (length < 2 || at + length > bytes.length) return;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** Parses a device descriptor followed by its configurations, the form of `UsbDevice.descriptors`. */
export function parseDescriptors(bytes: Uint8Array): Descriptors | ProtocolError {
  const device = DeviceDescriptor.decode(bytes);
  if (device instanceof ProtocolError) return device;
  if (device.bDescriptorType !== DescriptorType.DEVICE || device.bLength < DeviceDescriptor.size) {
    return new ProtocolError(
      "BAD_FIELD",
      `a device descriptor is expected first, not type ${device.bDescriptorType}`,
    );
  }
  const configurations: Configuration[] = [];
  let at = device.bLength;
  while (at < bytes.length) {
    const configuration = parseConfiguration(bytes.subarray(at));
    if (configuration instanceof ProtocolError) return configuration;
    configurations.push(configuration);
    at += configuration.bytes.length;
  }
  return { device, configurations };
}

/** Parses one configuration; bytes behind its wTotalLength are left alone. */
export function parseConfiguration(bytes: Uint8Array): Configuration | ProtocolError {
  const descriptor = ConfigurationDescriptor.decode(bytes);
  if (descriptor instanceof ProtocolError) return descriptor;
  if (descriptor.bDescriptorType !== DescriptorType.CONFIGURATION) {
    return new ProtocolError(
      "BAD_FIELD",
      `a configuration is expected, not type ${descriptor.bDescriptorType}`,
    );
  }
  const total = descriptor.wTotalLength;
  if (total < ConfigurationDescriptor.size || total > bytes.length) {
    return new ProtocolError("BAD_LENGTH", `wTotalLength is ${total}, but ${bytes.length} bytes are there`);
  }
  const own = bytes.subarray(0, total);
  return { descriptor, bytes: own, settings: parseSettings(own) };
}

function parseSettings(configuration: Uint8Array): readonly InterfaceSetting[] {
  const settings: { descriptor: InterfaceSetting["descriptor"]; endpoints: EndpointSetting[] }[] = [];
  for (const slice of descriptorSlices(configuration)) {
    const setting = settings.at(-1);
    switch (slice[1]) {
      case DescriptorType.INTERFACE: {
        const descriptor = InterfaceDescriptor.decode(slice);
        if (!(descriptor instanceof ProtocolError)) settings.push({ descriptor, endpoints: [] });
        break;
      }
      case DescriptorType.ENDPOINT: {
        // Audio 1.0 endpoints are two bytes longer (§4.6.1.1); the standard part is the same.
        const descriptor = EndpointDescriptor.decode(slice);
        if (setting !== undefined && !(descriptor instanceof ProtocolError))
          setting.endpoints.push({ descriptor });
        break;
      }
      case DescriptorType.SUPERSPEED_ENDPOINT_COMPANION: {
        const companion = SuperSpeedEndpointCompanion.decode(slice);
        const endpoint = setting?.endpoints.pop();
        if (setting === undefined || endpoint === undefined) break;
        setting.endpoints.push(
          companion instanceof ProtocolError ? endpoint : { descriptor: endpoint.descriptor, companion },
        );
        break;
      }
    }
  }
  return settings;
}
