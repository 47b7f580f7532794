/** Addresses that an endpoint can have: numbers 0 to 15, OUT before IN. */
export const ENDPOINT_SLOTS = 32;

/** The place of an endpoint address in a table. */
export function endpointSlot(address: number): number {
  return (address & 15) | ((address & 0x80) >> 3);
}

/** The endpoint address of a place. */
export function slotAddress(slot: number): number {
  return (slot & 15) | ((slot & 16) << 3);
}
