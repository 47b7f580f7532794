export { AttachRefusal } from "./attach-answer.ts";
export { type ClientOutput, WslusbClient } from "./client.ts";
export { WslusbDevice } from "./client-device.ts";
export { type HostOutput, WslusbHost } from "./host.ts";
export { WSLUSB_LIMITS, type WslusbLimits } from "./limits.ts";
export type { ListedDevice } from "./listed-device.ts";
export { EventKind } from "./messages.ts";
export type { AttachedHandle, Claim, DeviceEnd, OfferedDevice, Offers } from "./offered-device.ts";
export { FOREIGN, type ForeignStatus, Status } from "./status.ts";
