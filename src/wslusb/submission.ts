import { isIn, PACKET_WORDS, PacketWord, type TransferStatus, type Urb, UrbFlag } from "../usb/urb.ts";
import { IsoRequest, MessageType, RequestFlag, SETUP_AT, UrbRequest } from "./messages.ts";
import type { Lane } from "./outbox.ts";
import { HEAD, Outgoing } from "./outgoing.ts";
import type { Room } from "./room.ts";

/** A UrbRequest of ours that has no UrbResponse yet, and all that this is measured against. */
export interface Submission {
  readonly sequence: number;
  readonly owner: SubmissionOwner;
  /** Nothing once it was given back without an answer: a late one is checked, and dropped. */
  urb: Urb | undefined;
  readonly type: Urb["type"];
  readonly isIn: boolean;
  readonly length: number;
  readonly packetCount: number;
  readonly request: Outgoing;
  readonly lane: Lane;
  isCancelled: boolean;
}

/** The device that a submission is for. */
export interface SubmissionOwner {
  /** Of its responses. */
  readonly room: Room;
  refund(): void;
  /** The response is whole and right; it stands in the URB. */
  answered(submission: Submission): void;
  /** Ends it without an answer of the host, which is still owed. */
  giveBack(submission: Submission, status: TransferStatus): void;
}

/** Bytes of memory that a request needs on its way out. */
export function requestBytes(urb: Urb): number {
  return HEAD + requestSize(urb);
}

function requestSize(urb: Urb): number {
  return UrbRequest.size + urb.packetCount * IsoRequest.size + (isIn(urb.endpoint) ? 0 : urb.length);
}

/** Writes the request into `memory`. `left` runs when it has no use for the memory any more. */
export function encodeRequest(
  urb: Urb,
  device: number,
  sequence: number,
  memory: Uint8Array,
  left: () => void,
): Outgoing {
  let at: number = HEAD;
  UrbRequest.put.device(memory, at, device);
  UrbRequest.put.endpoint(memory, at, urb.endpoint);
  UrbRequest.put.transfer_type(memory, at, urb.type);
  UrbRequest.put.flags(memory, at, requestFlags(urb.flags));
  memory.set(urb.setup, at + SETUP_AT);
  UrbRequest.put.transfer_buffer_length(memory, at, urb.length);
  UrbRequest.put.number_of_packets(memory, at, urb.packetCount);
  UrbRequest.put.interval(memory, at, urb.interval);
  UrbRequest.put.start_frame(memory, at, urb.startFrame);
  UrbRequest.put.stream_id(memory, at, urb.streamId);
  UrbRequest.put.reserved(memory, at, 0);
  at += UrbRequest.size;
  for (let i = 0; i < urb.packetCount * PACKET_WORDS; i += PACKET_WORDS) {
    IsoRequest.put.offset(memory, at, urb.packets[i + PacketWord.offset]!);
    IsoRequest.put.length(memory, at, urb.packets[i + PacketWord.length]!);
    at += IsoRequest.size;
  }
  if (!isIn(urb.endpoint)) memory.set(urb.buffer.subarray(urb.offset, urb.offset + urb.length), at);
  const message = new Outgoing(left);
  message.renew(MessageType.UrbRequest, sequence, memory, requestSize(urb));
  return message;
}

function requestFlags(flags: number): number {
  let bits = 0;
  if (flags & UrbFlag.shortNotOk) bits |= RequestFlag.SHORT_NOT_OK;
  if (flags & UrbFlag.isoAsap) bits |= RequestFlag.ISO_ASAP;
  if (flags & UrbFlag.zeroPacket) bits |= RequestFlag.ZERO_PACKET;
  return bits;
}
