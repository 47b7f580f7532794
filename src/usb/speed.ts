/** Signalling rates, in the order of the specifications. */
export const Speed = { low: 1, full: 2, high: 3, super: 4, superPlus: 5 } as const;
export type Speed = (typeof Speed)[keyof typeof Speed];

/** Length of one service interval unit in milliseconds: a frame, or a microframe from high speed on. */
export function frameMs(speed: Speed): number {
  return speed >= Speed.high ? 0.125 : 1;
}
