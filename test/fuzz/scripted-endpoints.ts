import { PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb } from "../../src/usb/urb.ts";

/** How an endpoint of `ScriptedDevice` answers. */
export interface Behaviour {
  readonly status: TransferStatus;
  /** Steps until it completes. */
  readonly delay: number;
  /** Bytes it says it moved, of so many that were asked for. */
  claim(length: number): number;
  /** Data moves also when the transfer fails. */
  readonly partial: boolean;
}

/** A transfer moves at most this much, lest giant lengths make a run slow. */
export const MOVED_MAX = 2048;
const NEVER = Number.POSITIVE_INFINITY;

function all(length: number): number {
  return Math.min(length, MOVED_MAX);
}

const PLAIN: Behaviour = { status: TransferStatus.ok, delay: 0, claim: all, partial: false };
const WHOLE: Behaviour = { ...PLAIN, claim: (length) => length };

const BEHAVIOURS: ReadonlyMap<number, Behaviour> = new Map([
  [0x82, { ...PLAIN, delay: NEVER }],
  [0x84, { ...PLAIN, claim: (length) => all(length) >> 1 }],
  [0x86, { ...PLAIN, status: TransferStatus.overflow, partial: true, claim: tooMuch }],
  [0x87, { ...PLAIN, status: TransferStatus.protocol, partial: true, claim: () => -1 }],
  [0x89, { ...PLAIN, delay: 2 }],
  [0x05, { ...WHOLE, status: TransferStatus.stall }],
  [0x08, { ...WHOLE, delay: 3 }],
]);

function tooMuch(length: number): number {
  return length <= MOVED_MAX ? length + 100 : MOVED_MAX;
}

export function behaviourOf(endpoint: number, type: TransferType): Behaviour {
  if (type === TransferType.control) return PLAIN;
  // Configuration 2 has another endpoint at 0x81.
  if (endpoint === 0x81 && type === TransferType.interrupt) return { ...PLAIN, delay: NEVER };
  return BEHAVIOURS.get(endpoint) ?? (endpoint < 0x80 ? WHOLE : PLAIN);
}

const BULK = TransferType.bulk;
const INTERRUPT = TransferType.interrupt;
const ISO = TransferType.isochronous;

/** The endpoints that exist, besides 0. */
export function endpointTypes(
  configuration: number,
  alternates: ReadonlyMap<number, number>,
): ReadonlyMap<number, TransferType> {
  if (configuration === 0) return new Map();
  if (configuration === 2) {
    return new Map([
      [0x81, INTERRUPT],
      [0x8c, BULK],
    ]);
  }
  const types = new Map<number, TransferType>([
    [0x81, BULK],
    [0x01, BULK],
    [0x82, INTERRUPT],
    [0x83, ISO],
    [0x03, ISO],
    [0x84, BULK],
    [0x05, BULK],
    [0x86, BULK],
    [0x87, BULK],
  ]);
  if (alternates.get(1) === 1) types.set(0x8a, BULK);
  else types.set(0x08, BULK).set(0x89, INTERRUPT);
  return types;
}

/** What a transfer says it moved, and each of its packets. */
export interface Move {
  readonly claimed: number;
  readonly actualLengths: readonly number[];
}

interface Asked {
  readonly urb: Urb;
  readonly endpoint: number;
  readonly type: TransferType;
  readonly length: number;
}

/** Byte `i` of the data that IN transfer number `n` brings. */
export function dataByte(n: number, i: number): number {
  return (n * 31 + i * 7 + (i >> 8) + 1) & 0xff;
}

/** Fills IN data and the results of packets. */
export function moveData({ urb, endpoint, type, length }: Asked, n: number): Move {
  const isIn = endpoint >= 0x80;
  if (type !== TransferType.isochronous || urb.packetCount === 0) {
    const claimed = type === TransferType.isochronous ? 0 : behaviourOf(endpoint, type).claim(length);
    if (isIn) fill(urb, 0, Math.min(Math.max(claimed, 0), length), n);
    return { claimed, actualLengths: [] };
  }
  const actualLengths: number[] = [];
  for (let i = 0; i < urb.packetCount; i++) {
    const at = i * PACKET_WORDS;
    const claimed = packetClaim(i, urb.packets[at + PacketWord.length]!, isIn);
    if (isIn) {
      const offset = urb.packets[at + PacketWord.offset]!;
      fill(urb, offset, Math.min(claimed, urb.packets[at + PacketWord.length]!), n);
    }
    urb.packets[at + PacketWord.actualLength] = claimed;
    urb.packets[at + PacketWord.status] = packetStatus(i);
    actualLengths.push(claimed);
  }
  return { claimed: actualLengths.reduce((sum, claimed) => sum + claimed, 0), actualLengths };
}

/** Every fourth packet fails, every fourth says too much, every fourth is half full. */
export function packetStatus(index: number): TransferStatus {
  return index % 4 === 3 ? TransferStatus.crc : TransferStatus.ok;
}

function packetClaim(index: number, length: number, isIn: boolean): number {
  switch (index % 4) {
    case 1:
      return isIn ? all(length) >> 1 : length;
    case 2:
      return isIn ? tooMuch(length) : length;
    case 3:
      return 0;
    default:
      return isIn ? all(length) : length;
  }
}

function fill(urb: Urb, offset: number, length: number, n: number): void {
  for (let i = offset; i < offset + length; i++) urb.buffer[urb.offset + i] = dataByte(n, i);
}
