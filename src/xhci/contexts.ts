/** Contexts (xHCI §6.2): 32 bytes each, a device context is one of the slot and 31 of endpoints by their DCI. */
export const CONTEXT_SIZE = 32;
export const ENDPOINTS = 32;

/** Slot State, bits 31..27 of the fourth word of a slot context. */
export const SlotState = { enabled: 0, default: 1, addressed: 2, configured: 3 } as const;
export type SlotState = (typeof SlotState)[keyof typeof SlotState];

/** EP State, bits 2..0 of the first word of an endpoint context. */
export const EndpointState = { disabled: 0, running: 1, halted: 2, stopped: 3, error: 4 } as const;
export type EndpointState = (typeof EndpointState)[keyof typeof EndpointState];
export const ENDPOINT_STATE_MASK = 7;

/** EP Type, bits 5..3 of the second word of an endpoint context. */
export const EndpointType = {
  isochOut: 1,
  bulkOut: 2,
  interruptOut: 3,
  control: 4,
  isochIn: 5,
  bulkIn: 6,
  interruptIn: 7,
} as const;

/** Words of a slot context. */
export const SlotContext = {
  /** Of the first word: Context Entries, and what is not. */
  ENTRIES_SHIFT: 27,
  ENTRIES_MASK: 0xf8000000 | 0,
  /** Of the second word. */
  MAX_EXIT_LATENCY: 0xffff,
  /** Of the third word: Interrupter Target. */
  TARGET_MASK: 0xffc00000 | 0,
  STATE_SHIFT: 27,
} as const;

/** Where the context of an endpoint, or of the slot (0), stands in a device context. */
export function contextAt(deviceContext: number, dci: number): number {
  return deviceContext + dci * CONTEXT_SIZE;
}

/** Likewise in an input context, which begins with one of its own: flags of what to drop and what to add. */
export function inputContextAt(inputContext: number, dci: number): number {
  return inputContext + (dci + 1) * CONTEXT_SIZE;
}
