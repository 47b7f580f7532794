import { errnoOf } from "../usb/errno.ts";
import { isIn, PACKET_WORDS, PacketWord, TransferStatus, type Urb, UrbFlag } from "../usb/urb.ts";
import {
  CmdSubmit,
  CmdUnlink,
  Command,
  Direction,
  HEADER_SIZE,
  HeaderBasic,
  IsoPacket,
  TransferFlag,
} from "./pdu.ts";

const BODY = HeaderBasic.size;
const SETUP_AT = HEADER_SIZE - 8;

/** A CMD_SUBMIT of ours that has no RET_SUBMIT yet, and all that the reply is measured against. */
export interface Submission {
  readonly seqnum: number;
  /** Nothing once it was given back without an answer: a late one is checked, and dropped. */
  urb: Urb | undefined;
  readonly isIn: boolean;
  readonly length: number;
  readonly packetCount: number;
  /** A CMD_UNLINK for it is on its way. */
  unlinked: boolean;
}

export function submissionOf(urb: Urb, seqnum: number): Submission {
  const { length, packetCount } = urb;
  return { seqnum, urb, isIn: isIn(urb.endpoint), length, packetCount, unlinked: false };
}

/** Bytes of a CMD_SUBMIT with all that belongs to it. */
export function submitSize(urb: Urb): number {
  return HEADER_SIZE + (isIn(urb.endpoint) ? 0 : urb.length) + urb.packetCount * IsoPacket.size;
}

export function encodeSubmit(urb: Urb, seqnum: number, devid: number, bytes: Uint8Array): void {
  const incoming = isIn(urb.endpoint);
  HeaderBasic.put.command(bytes, 0, Command.CMD_SUBMIT);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  HeaderBasic.put.devid(bytes, 0, devid);
  HeaderBasic.put.direction(bytes, 0, incoming ? Direction.IN : Direction.OUT);
  HeaderBasic.put.ep(bytes, 0, urb.endpoint & 15);
  CmdSubmit.put.transfer_flags(bytes, BODY, transferFlags(urb.flags, incoming));
  CmdSubmit.put.transfer_buffer_length(bytes, BODY, urb.length);
  CmdSubmit.put.start_frame(bytes, BODY, urb.startFrame);
  CmdSubmit.put.number_of_packets(bytes, BODY, urb.packetCount);
  CmdSubmit.put.interval(bytes, BODY, urb.interval);
  bytes.set(urb.setup, SETUP_AT);
  let at = HEADER_SIZE;
  if (!incoming) {
    bytes.set(urb.buffer.subarray(urb.offset, urb.offset + urb.length), at);
    at += urb.length;
  }
  // The kernel's server adds up actual_length of a request and drops a client for any sum but 0.
  for (let i = 0; i < urb.packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    IsoPacket.put.offset(bytes, at, urb.packets[i + PacketWord.offset]!);
    IsoPacket.put.length(bytes, at, urb.packets[i + PacketWord.length]!);
    IsoPacket.put.actual_length(bytes, at, 0);
    IsoPacket.put.status(bytes, at, errnoOf(TransferStatus.notDone));
    at += IsoPacket.size;
  }
}

export function encodeUnlink(seqnum: number, submitSeqnum: number, devid: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.CMD_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  HeaderBasic.put.devid(bytes, 0, devid);
  CmdUnlink.put.seqnum(bytes, BODY, submitSeqnum);
  return bytes;
}

function transferFlags(flags: number, incoming: boolean): number {
  let bits = incoming ? TransferFlag.DIR_IN : 0;
  if (flags & UrbFlag.shortNotOk) bits |= TransferFlag.SHORT_NOT_OK;
  if (flags & UrbFlag.isoAsap) bits |= TransferFlag.ISO_ASAP;
  if (flags & UrbFlag.zeroPacket) bits |= TransferFlag.ZERO_PACKET;
  return bits;
}
