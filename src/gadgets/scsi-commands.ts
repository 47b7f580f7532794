import { u8, u16, u32 } from "../wire/field.ts";
import { bigEndian } from "../wire/struct.ts";

/** Operation codes (SPC-4, SBC-3; READ FORMAT CAPACITIES: MMC-5). */
export const Operation = {
  TEST_UNIT_READY: 0x00,
  REQUEST_SENSE: 0x03,
  READ_6: 0x08,
  WRITE_6: 0x0a,
  INQUIRY: 0x12,
  MODE_SENSE_6: 0x1a,
  START_STOP_UNIT: 0x1b,
  PREVENT_ALLOW_MEDIUM_REMOVAL: 0x1e,
  READ_FORMAT_CAPACITIES: 0x23,
  READ_CAPACITY_10: 0x25,
  READ_10: 0x28,
  WRITE_10: 0x2a,
  VERIFY_10: 0x2f,
  SYNCHRONIZE_CACHE_10: 0x35,
  MODE_SENSE_10: 0x5a,
  READ_16: 0x88,
  WRITE_16: 0x8a,
  VERIFY_16: 0x8f,
  SYNCHRONIZE_CACHE_16: 0x91,
  SERVICE_ACTION_IN_16: 0x9e,
  REPORT_LUNS: 0xa0,
  READ_12: 0xa8,
  WRITE_12: 0xaa,
  VERIFY_12: 0xaf,
} as const;

/** Service action of SERVICE ACTION IN(16). */
export const READ_CAPACITY_16 = 0x10;

/** Bit 3 of byte 1 in READ and WRITE: force unit access, past any cache. */
const FUA = 1 << 3;

/** READ(10), WRITE(10), VERIFY(10), SYNCHRONIZE CACHE(10) */
const Blocks10 = bigEndian("10-byte command", {
  OPERATION_CODE: u8,
  flags: u8,
  LOGICAL_BLOCK_ADDRESS: u32,
  GROUP_NUMBER: u8,
  TRANSFER_LENGTH: u16,
  CONTROL: u8,
});

const Blocks12 = bigEndian("12-byte command", {
  OPERATION_CODE: u8,
  flags: u8,
  LOGICAL_BLOCK_ADDRESS: u32,
  TRANSFER_LENGTH: u32,
  GROUP_NUMBER: u8,
  CONTROL: u8,
});

const Blocks16 = bigEndian("16-byte command", {
  OPERATION_CODE: u8,
  flags: u8,
  LOGICAL_BLOCK_ADDRESS_HIGH: u32,
  LOGICAL_BLOCK_ADDRESS_LOW: u32,
  TRANSFER_LENGTH: u32,
  GROUP_NUMBER: u8,
  CONTROL: u8,
});

/** The blocks that a command is about. */
export interface BlockRange {
  readonly lba: number;
  readonly blocks: number;
  readonly forceUnitAccess: boolean;
}

/**
 * Reads the range out of a READ, WRITE, VERIFY or SYNCHRONIZE CACHE of any length. The group of the operation
 * code tells the layout (SPC-4 table 23). Addresses beyond 2^53 lose precision, far beyond any disk.
 */
export function blockRange(block: Uint8Array): BlockRange {
  switch (block[0]! >> 5) {
    case 0: {
      const lba = ((block[1]! & 0x1f) << 16) | (block[2]! << 8) | block[3]!;
      // SBC-3 §5.8: zero stands for 256 here, and here alone.
      return { lba, blocks: block[4] === 0 ? 256 : block[4]!, forceUnitAccess: false };
    }
    case 4: {
      const high = Blocks16.LOGICAL_BLOCK_ADDRESS_HIGH(block, 0);
      return {
        lba: high * 2 ** 32 + Blocks16.LOGICAL_BLOCK_ADDRESS_LOW(block, 0),
        blocks: Blocks16.TRANSFER_LENGTH(block, 0),
        forceUnitAccess: (Blocks16.flags(block, 0) & FUA) !== 0,
      };
    }
    case 5:
      return {
        lba: Blocks12.LOGICAL_BLOCK_ADDRESS(block, 0),
        blocks: Blocks12.TRANSFER_LENGTH(block, 0),
        forceUnitAccess: (Blocks12.flags(block, 0) & FUA) !== 0,
      };
    default:
      return {
        lba: Blocks10.LOGICAL_BLOCK_ADDRESS(block, 0),
        blocks: Blocks10.TRANSFER_LENGTH(block, 0),
        forceUnitAccess: (Blocks10.flags(block, 0) & FUA) !== 0,
      };
  }
}

const NUMBERS = { 1: u8.big.getter(0), 2: u16.big.getter(0), 4: u32.big.getter(0) };

/** A big-endian number in a command block. */
export function numberAt(block: Uint8Array, at: number, size: 1 | 2 | 4): number {
  return NUMBERS[size](block, at);
}
