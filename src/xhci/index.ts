export { type ControllerPlan, DEFAULT_PLAN } from "./capability-registers.ts";
export { Controller, type ControllerOptions } from "./controller.ts";
export type { GuestMemory, InterruptLine } from "./guest-memory.ts";
export { PCI_IDENTITY } from "./pci-identity.ts";
