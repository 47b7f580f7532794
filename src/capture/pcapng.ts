import { s32, u8, u16, u32 } from "../wire/field.ts";
import { littleEndian } from "../wire/struct.ts";

/**
 * pcapng (draft-ietf-opsawg-pcapng), always written little-endian. Each block is a `BlockHeader`, the struct of its
 * type, its options, and its length once more.
 */
export const BlockHeader = littleEndian("block", { block_type: u32, block_total_length: u32 });

/** Section Header Block (§4.1) */
export const SectionHeader = littleEndian("Section Header Block", {
  byte_order_magic: u32,
  major_version: u16,
  minor_version: u16,
  section_length_low: s32,
  section_length_high: s32,
});

/** Interface Description Block (§4.2) */
export const InterfaceDescription = littleEndian("Interface Description Block", {
  linktype: u16,
  reserved: u16,
  snaplen: u32,
});

/** Enhanced Packet Block (§4.3) */
export const EnhancedPacket = littleEndian("Enhanced Packet Block", {
  interface_id: u32,
  timestamp_high: u32,
  timestamp_low: u32,
  captured_packet_length: u32,
  original_packet_length: u32,
});

/** Interface Statistics Block (§4.6) */
export const InterfaceStatistics = littleEndian("Interface Statistics Block", {
  interface_id: u32,
  timestamp_high: u32,
  timestamp_low: u32,
});

/** Head of an option (§3.5); its value is padded to 4 bytes. */
export const OptionHeader = littleEndian("option", { option_code: u16, option_length: u16 });

/** Options with 64 bits: times have the high half first, numbers are in the order of the section. */
const Time64 = littleEndian("timestamp", { high: u32, low: u32 });
const Number64 = littleEndian("number", { low: u32, high: u32 });
const Number8 = littleEndian("octet", { value: u8 });

export const BlockType = {
  SECTION_HEADER: 0x0a0d0d0a,
  INTERFACE_DESCRIPTION: 1,
  INTERFACE_STATISTICS: 5,
  ENHANCED_PACKET: 6,
} as const;

export const Option = {
  opt_endofopt: 0,
  opt_comment: 1,
  shb_userappl: 4,
  if_name: 2,
  if_description: 3,
  if_speed: 8,
  if_tsresol: 9,
  isb_starttime: 2,
  isb_endtime: 3,
  isb_ifrecv: 4,
  isb_ifdrop: 5,
} as const;

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** usbmon with its header of 64 bytes: https://www.tcpdump.org/linktypes.html */
export const LINKTYPE_USB_LINUX_MMAPPED = 220;
/** Wireshark takes no larger packet of this link type for a sound one. */
export const LARGEST_PACKET = 262_144;

/** Bytes in front of a packet in its block, and of the whole block around it. */
export const PACKET_AT = BlockHeader.size + EnhancedPacket.size;
export const PACKET_FRAME = PACKET_AT + 4;

const TWO_TO_32 = 2 ** 32;
/** if_tsresol: 10^-6 s. */
const MICROSECONDS = 6;

export interface CapturedInterface {
  readonly name: string;
  readonly description: string;
  readonly bitsPerSecond: number;
  readonly snaplen: number;
}

export interface CaptureStatistics {
  readonly startedUs: number;
  readonly endedUs: number;
  /** Packets that passed, those that were lost included. */
  readonly received: number;
  /** Packets that were lost because nobody took them in time. */
  readonly dropped: number;
}

export function padded(length: number): number {
  return (length + 3) & ~3;
}

/** What every file begins with. */
export function sectionHeader(application: string): Uint8Array {
  const body = SectionHeader.encode({
    byte_order_magic: BYTE_ORDER_MAGIC,
    major_version: 1,
    minor_version: 0,
    // It ends with the file.
    section_length_low: -1,
    section_length_high: -1,
  });
  return block(BlockType.SECTION_HEADER, body, option(Option.shb_userappl, ascii(application)));
}

export function interfaceDescription(captured: CapturedInterface): Uint8Array {
  const { name, description, bitsPerSecond, snaplen } = captured;
  const body = InterfaceDescription.encode({ linktype: LINKTYPE_USB_LINUX_MMAPPED, reserved: 0, snaplen });
  return block(
    BlockType.INTERFACE_DESCRIPTION,
    body,
    option(Option.if_name, ascii(name)),
    option(Option.if_description, ascii(description)),
    option(Option.if_speed, number64(bitsPerSecond)),
    option(Option.if_tsresol, Number8.encode({ value: MICROSECONDS })),
  );
}

/** A packet with a comment of ours; on the data path it is written in place instead. */
export function enhancedPacket(timeUs: number, packet: Uint8Array, comment: string): Uint8Array {
  const body = EnhancedPacket.encode({
    interface_id: 0,
    timestamp_high: Math.floor(timeUs / TWO_TO_32),
    timestamp_low: timeUs % TWO_TO_32,
    captured_packet_length: packet.length,
    original_packet_length: packet.length,
  });
  return block(BlockType.ENHANCED_PACKET, body, aligned(packet), option(Option.opt_comment, ascii(comment)));
}

export function interfaceStatistics(statistics: CaptureStatistics): Uint8Array {
  const { startedUs, endedUs, received, dropped } = statistics;
  const ended = { high: Math.floor(endedUs / TWO_TO_32), low: endedUs % TWO_TO_32 };
  const started = { high: Math.floor(startedUs / TWO_TO_32), low: startedUs % TWO_TO_32 };
  return block(
    BlockType.INTERFACE_STATISTICS,
    InterfaceStatistics.encode({ interface_id: 0, timestamp_high: ended.high, timestamp_low: ended.low }),
    option(Option.isb_starttime, Time64.encode(started)),
    option(Option.isb_endtime, Time64.encode(ended)),
    option(Option.isb_ifrecv, number64(received)),
    option(Option.isb_ifdrop, number64(dropped)),
  );
}

/** Puts the frame of a block around a packet that stands, or will stand, at `at + PACKET_AT`; returns the length of the block. */
export function framePacket(
  view: DataView,
  at: number,
  timeUs: number,
  captured: number,
  original: number,
): number {
  const total = PACKET_FRAME + padded(captured);
  BlockHeader.write.block_type(view, at, BlockType.ENHANCED_PACKET);
  BlockHeader.write.block_total_length(view, at, total);
  const body = at + BlockHeader.size;
  EnhancedPacket.write.interface_id(view, body, 0);
  EnhancedPacket.write.timestamp_high(view, body, Math.floor(timeUs / TWO_TO_32));
  EnhancedPacket.write.timestamp_low(view, body, timeUs % TWO_TO_32);
  EnhancedPacket.write.captured_packet_length(view, body, captured);
  EnhancedPacket.write.original_packet_length(view, body, original);
  for (let i = captured; i < padded(captured); i++) view.setUint8(at + PACKET_AT + i, 0);
  view.setUint32(at + total - 4, total, true);
  return total;
}

function block(type: number, body: Uint8Array, ...rest: readonly Uint8Array[]): Uint8Array {
  const end = type === BlockType.SECTION_HEADER || rest.length > 0 ? OptionHeader.size : 0;
  const inner = rest.reduce((sum, piece) => sum + piece.length, body.length) + end;
  const total = BlockHeader.size + inner + 4;
  const bytes = new Uint8Array(total);
  BlockHeader.encodeInto({ block_type: type, block_total_length: total }, bytes, 0);
  let at = BlockHeader.size;
  for (const piece of [body, ...rest]) {
    bytes.set(piece, at);
    at += piece.length;
  }
  BlockHeader.put.block_type(bytes, total - 4, total);
  return bytes;
}

function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(OptionHeader.size + padded(value.length));
  OptionHeader.encodeInto({ option_code: code, option_length: value.length }, bytes, 0);
  bytes.set(value, OptionHeader.size);
  return bytes;
}

function number64(value: number): Uint8Array {
  return Number64.encode({ low: value % TWO_TO_32, high: Math.floor(value / TWO_TO_32) });
}

function aligned(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(padded(bytes.length));
  whole.set(bytes);
  return whole;
}

/** UTF-8 of what is printable and has one byte; a question mark for the rest. */
function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => (/[\x20-\x7e]/.test(character) ? character.charCodeAt(0) : 63));
}
