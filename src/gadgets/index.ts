export { Audio } from "./audio.ts";
export type { BlockFailure, BlockStore } from "./block-store.ts";
export type { ByteStream, ByteStreamEvents } from "./byte-stream.ts";
export type {
  DiskContent,
  GadgetBacking,
  GadgetKind,
  GadgetOption,
  GadgetSpecification,
  SerialBridge,
} from "./catalog.ts";
export { createGadget, GADGET_KINDS, GadgetSpecificationError, parseGadgetSpec } from "./catalog.ts";
export { defineDevice } from "./defined-device.ts";
export type { ControlRequest, DeviceDefinition, Receives, Sends } from "./device-definition.ts";
export type { DiskOptions } from "./disk.ts";
export { Disk } from "./disk.ts";
export { EchoStream } from "./echo-stream.ts";
export { Gadget } from "./gadget.ts";
export type { GadgetIdentity } from "./identity.ts";
export type { KeyboardOptions, TypingRefused } from "./keyboard.ts";
export { Keyboard } from "./keyboard.ts";
export { MemoryStore } from "./memory-store.ts";
export { Mouse, MouseButton } from "./mouse.ts";
export type { Pattern } from "./pattern.ts";
export type { LineCoding, SerialOptions } from "./serial.ts";
export { Serial } from "./serial.ts";
export { type Key, Modifier, US_LAYOUT } from "./us-layout.ts";
export type { ZeroOptions } from "./zero.ts";
export { Zero } from "./zero.ts";
