import { DOORBELLS, EXTENDED, OPERATIONAL, RUNTIME } from "./registers.ts";

/** What a controller has, from its making on. */
export interface ControllerPlan {
  /** Ports for devices of low, full and high speed; the others, behind them, are for super speed. */
  readonly usb2Ports: number;
  readonly usb3Ports: number;
  readonly slots: number;
  readonly interrupters: number;
}

export const DEFAULT_PLAN: ControllerPlan = { usb2Ports: 8, usb3Ports: 8, slots: 64, interrupters: 4 };

/** Segments of an event ring, as a power of two. */
export const ERST_MAX = 4;

const VERSION = 0x0100;
/** Isochronous Scheduling Threshold, in microframes. */
const IST = 1;
const AC64 = 1 << 0;

const SUPPORTED_PROTOCOL = 2;
const NAME = 0x20425355; // "USB "

/**
 * Capability registers (xHCI §5.3) and extended capabilities (§7) by offset. No streams, contexts of 32 bytes, no
 * scratchpad, ports that are always powered.
 */
export function capabilityRegisters(plan: ControllerPlan): ReadonlyMap<number, number> {
  const { usb2Ports, usb3Ports, slots, interrupters } = plan;
  const registers: [number, number][] = [
    [0x00, OPERATIONAL | (VERSION << 16)],
    [0x04, (slots | (interrupters << 8) | ((usb2Ports + usb3Ports) << 24)) >>> 0],
    [0x08, IST | (ERST_MAX << 4)],
    [0x0c, 0],
    [0x10, AC64 | ((EXTENDED / 4) << 16)],
    [0x14, DOORBELLS],
    [0x18, RUNTIME],
    [0x1c, 0],
  ];
  const protocols = [
    { major: 2, first: 1, count: usb2Ports },
    { major: 3, first: 1 + usb2Ports, count: usb3Ports },
  ].filter(({ count }) => count > 0);
  protocols.forEach(({ major, first, count }, i) => {
    const at = EXTENDED + 16 * i;
    const next = i + 1 < protocols.length ? 4 : 0;
    registers.push([at, SUPPORTED_PROTOCOL | (next << 8) | (major << 24)]);
    registers.push([at + 4, NAME], [at + 8, first | (count << 8)], [at + 12, 0]);
  });
  return new Map(registers);
}
