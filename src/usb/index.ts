export type { Change } from "./chapter9.ts";
export { Chapter9 } from "./chapter9.ts";
export type { DeviceSpecification } from "./chapter9-descriptors.ts";
export { StringIndex } from "./chapter9-descriptors.ts";
export { answerIn, takeOut } from "./control-data.ts";
export {
  bosDescriptor,
  configurationDescriptor,
  deviceDescriptor,
  deviceQualifier,
  endpointDescriptor,
  interfaceDescriptor,
  joinDescriptors,
  otherSpeedConfiguration,
  superSpeedCapability,
  superSpeedCompanion,
  usb20Extension,
} from "./descriptor-build.ts";
export type { Configuration, Descriptors, EndpointSetting, InterfaceSetting } from "./descriptor-walk.ts";
export { descriptorSlices, parseConfiguration, parseDescriptors } from "./descriptor-walk.ts";
export {
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
export type { BufferPool, OpenError, UsbDevice, UsbHost } from "./device.ts";
export type { Endpoint } from "./endpoint-map.ts";
export { EndpointMap } from "./endpoint-map.ts";
export { HeapPool } from "./heap-pool.ts";
export type { Cancellable, Loop } from "./loop.ts";
export {
  Feature,
  REQUEST_DIRECTION_IN,
  REQUEST_KIND_MASK,
  REQUEST_RECIPIENT_MASK,
  Recipient,
  RequestKind,
  Setup,
  StandardRequest,
} from "./setup.ts";
export { frameMs, Speed } from "./speed.ts";
export { stringDescriptor } from "./string-descriptor.ts";
export type { Urb } from "./urb.ts";
export {
  createUrb,
  isIn,
  PACKET_WORDS,
  PacketWord,
  TransferStatus,
  TransferType,
  UrbFlag,
} from "./urb.ts";
