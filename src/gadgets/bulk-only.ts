import { octets, u8, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/** Command Block Wrapper (USB Mass Storage Bulk-Only 1.0 §5.1) */
export const CommandBlockWrapper = littleEndian("CBW", {
  dCBWSignature: u32,
  dCBWTag: u32,
  dCBWDataTransferLength: u32,
  bmCBWFlags: u8,
  bCBWLUN: u8,
  bCBWCBLength: u8,
  CBWCB: octets(16),
});

/** Where CBWCB begins in its wrapper. */
const COMMAND_AT = 15;

/** Command Status Wrapper (Bulk-Only 1.0 §5.2) */
export const CommandStatusWrapper = littleEndian("CSW", {
  dCSWSignature: u32,
  dCSWTag: u32,
  dCSWDataResidue: u32,
  bCSWStatus: u8,
});

const CBW_SIGNATURE = 0x43425355; // "USBC"
export const CSW_SIGNATURE = 0x53425355; // "USBS"
export const CBW_DIRECTION_IN = 0x80;

/** bCSWStatus (Bulk-Only 1.0 table 5.3) */
export const CommandStatus = { passed: 0, failed: 1, phaseError: 2 } as const;
export type CommandStatus = (typeof CommandStatus)[keyof typeof CommandStatus];

/** bmRequestType and bRequest of the class requests (Bulk-Only 1.0 §3). */
export const BulkOnlyRequest = { RESET: 0x21ff, GET_MAX_LUN: 0xa1fe } as const;

/** What a valid and meaningful wrapper asks for. */
export interface WrappedCommand {
  readonly tag: number;
  /** Bytes that the host expects to move. */
  readonly length: number;
  readonly isIn: boolean;
  /** The command block with its length; the bytes behind it are zero. */
  readonly block: Uint8Array;
}

/** The command in the wrapper, or nothing if it is not valid or not meaningful (Bulk-Only 1.0 §6.2). */
export function unwrapCommand(bytes: Uint8Array): WrappedCommand | undefined {
  if (bytes.length !== CommandBlockWrapper.size) return undefined;
  if (CommandBlockWrapper.dCBWSignature(bytes, 0) !== CBW_SIGNATURE) return undefined;
  const flags = CommandBlockWrapper.bmCBWFlags(bytes, 0);
  const blockLength = CommandBlockWrapper.bCBWCBLength(bytes, 0);
  const isMeaningful =
    (flags & ~CBW_DIRECTION_IN) === 0 &&
    CommandBlockWrapper.bCBWLUN(bytes, 0) === 0 &&
    blockLength >= 1 &&
    blockLength <= 16;
  if (!isMeaningful) return undefined;
  const block = new Uint8Array(16);
  block.set(bytes.subarray(COMMAND_AT, COMMAND_AT + blockLength));
  return {
    tag: CommandBlockWrapper.dCBWTag(bytes, 0),
    length: CommandBlockWrapper.dCBWDataTransferLength(bytes, 0),
    isIn: (flags & CBW_DIRECTION_IN) !== 0,
    block,
  };
}
