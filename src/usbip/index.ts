export { DeviceListRequest, type ListedDevice } from "./device-list.ts";
export type { ExportedDevice, Exports } from "./exports.ts";
export { type EndCause, type ServerOutput, UsbipServer } from "./server.ts";
export { SESSION_LIMITS, type SessionLimits } from "./session-limits.ts";
