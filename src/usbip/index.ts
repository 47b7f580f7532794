export { DeviceImportRequest, type ImportAnswer, ImportRefusal } from "./device-import.ts";
export { DeviceListRequest, type ListedDevice } from "./device-list.ts";
export type { DistantDevice, ExportedDevice, Exports } from "./exports.ts";
export { ImportedDevice, type ImportOutput } from "./imported-device.ts";
export { type EndCause, type ServerOutput, UsbipServer } from "./server.ts";
export { SESSION_LIMITS, type SessionLimits } from "./session-limits.ts";
