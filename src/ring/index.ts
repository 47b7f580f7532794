export { RingGuest } from "./guest.ts";
export { RingDevice } from "./guest-device.ts";
export type { HostFigures } from "./guest-session.ts";
export { RingHost } from "./host.ts";
export { Control, type Layout, type LayoutPlan, planLayout, Side } from "./layout.ts";
export { type BreakerLimits, type RateLimit, RING_LIMITS, type RingLimits } from "./limits.ts";
export { RingMemory } from "./ring-memory.ts";
export type { DeviceEnd, GuestOutput, HostOutput, RingOutput, Share } from "./sides.ts";
export { WaitPolicy, type WaitStep } from "./wait-policy.ts";
