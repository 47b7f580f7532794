import {
  BosDescriptor,
  ConfigurationDescriptor,
  DescriptorType,
  DeviceCapability,
  DeviceDescriptor,
  DeviceQualifier,
  EndpointDescriptor,
  InterfaceDescriptor,
  SuperSpeedCapability,
  SuperSpeedEndpointCompanion,
  Usb20Extension,
} from "./descriptors.ts";

/** The fields of a descriptor that a caller chooses. */
type Body<S extends { encode(value: never): Uint8Array }> = Omit<
  Parameters<S["encode"]>[0],
  "bLength" | "bDescriptorType"
>;

export function deviceDescriptor(body: Body<typeof DeviceDescriptor>): Uint8Array {
  return DeviceDescriptor.encode({
    bLength: DeviceDescriptor.size,
    bDescriptorType: DescriptorType.DEVICE,
    ...body,
  });
}

/** How the device would look at the other of full and high speed (USB 2.0 §9.6.2). */
export function deviceQualifier(body: Omit<Body<typeof DeviceQualifier>, "bReserved">): Uint8Array {
  return DeviceQualifier.encode({
    bLength: DeviceQualifier.size,
    bDescriptorType: DescriptorType.DEVICE_QUALIFIER,
    ...body,
    bReserved: 0,
  });
}

/** A whole configuration: wTotalLength and bNumInterfaces come from the parts. */
export function configurationDescriptor(
  body: Omit<Body<typeof ConfigurationDescriptor>, "wTotalLength" | "bNumInterfaces">,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const numbers = new Set<number>();
  for (const part of parts) {
    if (part[1] === DescriptorType.INTERFACE) numbers.add(InterfaceDescriptor.bInterfaceNumber(part, 0));
  }
  const head = ConfigurationDescriptor.encode({
    bLength: ConfigurationDescriptor.size,
    bDescriptorType: DescriptorType.CONFIGURATION,
    wTotalLength: parts.reduce((sum, part) => sum + part.length, ConfigurationDescriptor.size),
    bNumInterfaces: numbers.size,
    ...body,
  });
  return joinDescriptors(head, ...parts);
}

/** The same configuration as GET_DESCRIPTOR(OTHER_SPEED_CONFIGURATION) sends it (USB 2.0 §9.6.4). */
export function otherSpeedConfiguration(configuration: Uint8Array): Uint8Array {
  const bytes = configuration.slice();
  ConfigurationDescriptor.put.bDescriptorType(bytes, 0, DescriptorType.OTHER_SPEED_CONFIGURATION);
  return bytes;
}

export function interfaceDescriptor(body: Body<typeof InterfaceDescriptor>): Uint8Array {
  return InterfaceDescriptor.encode({
    bLength: InterfaceDescriptor.size,
    bDescriptorType: DescriptorType.INTERFACE,
    ...body,
  });
}

export function endpointDescriptor(body: Body<typeof EndpointDescriptor>): Uint8Array {
  return EndpointDescriptor.encode({
    bLength: EndpointDescriptor.size,
    bDescriptorType: DescriptorType.ENDPOINT,
    ...body,
  });
}

export function superSpeedCompanion(body: Body<typeof SuperSpeedEndpointCompanion>): Uint8Array {
  return SuperSpeedEndpointCompanion.encode({
    bLength: SuperSpeedEndpointCompanion.size,
    bDescriptorType: DescriptorType.SUPERSPEED_ENDPOINT_COMPANION,
    ...body,
  });
}

export function bosDescriptor(...capabilities: readonly Uint8Array[]): Uint8Array {
  const head = BosDescriptor.encode({
    bLength: BosDescriptor.size,
    bDescriptorType: DescriptorType.BOS,
    wTotalLength: capabilities.reduce((sum, capability) => sum + capability.length, BosDescriptor.size),
    bNumDeviceCaps: capabilities.length,
  });
  return joinDescriptors(head, ...capabilities);
}

export function usb20Extension(bmAttributes: number): Uint8Array {
  return Usb20Extension.encode({
    bLength: Usb20Extension.size,
    bDescriptorType: DescriptorType.DEVICE_CAPABILITY,
    bDevCapabilityType: DeviceCapability.USB_2_0_EXTENSION,
    bmAttributes,
  });
}

export function superSpeedCapability(
  body: Omit<Body<typeof SuperSpeedCapability>, "bDevCapabilityType">,
): Uint8Array {
  return SuperSpeedCapability.encode({
    bLength: SuperSpeedCapability.size,
    bDescriptorType: DescriptorType.DEVICE_CAPABILITY,
    bDevCapabilityType: DeviceCapability.SUPERSPEED_USB,
    ...body,
  });
}

export function joinDescriptors(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
