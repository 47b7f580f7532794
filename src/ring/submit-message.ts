import { PACKET_WORDS, PacketWord, TransferStatus, TransferType, type Urb, UrbFlag } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import type { Consumer } from "./consumer.ts";
import { CompleteWord, SubmitWord } from "./message-words.ts";
import {
  BODY,
  DataMode,
  Direction,
  ISO_SIZE,
  IsoComplete,
  IsoRequest,
  IsoResult,
  IsoSubmit,
  MessageType,
  TransferFlag,
  URB_SIZE,
} from "./messages.ts";
import { transferStatusOf } from "./status.ts";
import type { Submission } from "./submission.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { URB_SUBMIT } = MessageType;
const { NONE, BUFFER, INLINE } = DataMode;
const { IN, OUT } = Direction;
const { ok } = TransferStatus;
const { control } = TransferType;
const URB_BYTES = URB_SIZE;
const {
  device_id: ID,
  endpoint: ENDPOINT,
  direction: DIRECTION,
  transfer_type: TYPE,
  transfer_length: LENGTH,
  transfer_flags: FLAGS,
  data_mode: MODE,
  buffer_offset: OFFSET,
  setup: SETUP,
  interval: INTERVAL,
  stream_id: STREAM,
  reserved: RESERVED,
} = SubmitWord;
const { status: STATUS, actual_length: ACTUAL } = CompleteWord;

// So is a method of a typed array.
const { set } = Uint8Array.prototype as {
  readonly set: (this: Uint8Array, bytes: Uint8Array, at: number) => void;
};

/** Sends the URB_SUBMIT of a URB; the data of a slot stand there already, at `bufferOffset` of the memory. */
export function sendSubmit(channel: Channel, submission: Submission, urb: Urb, bufferOffset: number): void {
  const { isInline, length, device } = submission;
  const inline = isInline && !submission.isIn ? length : 0;
  const at = channel.open(URB_SUBMIT, submission.transaction, device, URB_BYTES + inline, RESERVED);
  const { words } = channel;
  words[at + ID] = device;
  words[at + ENDPOINT] = urb.endpoint & 15;
  words[at + DIRECTION] = submission.isIn ? IN : OUT;
  words[at + TYPE] = urb.type;
  words[at + LENGTH] = length;
  words[at + FLAGS] = urb.flags === 0 ? 0 : transferFlags(urb.flags);
  words[at + MODE] = isInline ? INLINE : length === 0 ? NONE : BUFFER;
  words[at + OFFSET] = bufferOffset;
  words[at + SETUP] = urb.type === control ? wordOf(urb.setup, 0) : 0;
  words[at + SETUP + 1] = urb.type === control ? wordOf(urb.setup, 4) : 0;
  words[at + INTERVAL] = urb.interval;
  words[at + STREAM] = urb.streamId;
  if (inline > 0) copyBytes(urb.buffer, urb.offset, inline, channel.octets, 4 * at + URB_BYTES);
  channel.close(URB_BYTES + inline);
}

/** The same with an ISO_SUBMIT. */
export function sendIsoSubmit(
  channel: Channel,
  submission: Submission,
  urb: Urb,
  bufferOffset: number,
): void {
  const { view } = channel;
  const { device } = submission;
  const write = IsoSubmit.write;
  channel.begin(MessageType.ISO_SUBMIT, submission.transaction, device, IsoSubmit.size);
  write.device_id(view, BODY, device);
  write.endpoint(view, BODY, urb.endpoint & 15);
  write.direction(view, BODY, submission.isIn ? Direction.IN : Direction.OUT);
  write.number_of_packets(view, BODY, urb.packetCount);
  write.start_frame(view, BODY, urb.startFrame);
  write.buffer_offset(view, BODY, bufferOffset);
  write.total_length(view, BODY, submission.length);
  write.transfer_flags(view, BODY, transferFlags(urb.flags));
  let at = ISO_SIZE;
  for (let word = 0; word < urb.packetCount * PACKET_WORDS; word += PACKET_WORDS) {
    IsoRequest.write.offset(view, at, urb.packets[word + PacketWord.offset]!);
    IsoRequest.write.length(view, at, urb.packets[word + PacketWord.length]!);
    at += IsoRequest.size;
  }
  channel.send(at);
}

/**
 * Measures a URB_COMPLETE against its request and enters it in the URB, if that still waits for it. `memory` from
 * `bufferOffset` on are the slots of the request, wherever the message says that the data are.
 */
export function takeComplete(
  { words, bytes, length }: Consumer,
  submission: Submission,
  memory: Uint8Array,
  bufferOffset: number,
): ProtocolError | undefined {
  const actual = words[ACTUAL]! >>> 0;
  if (actual > submission.length) return tooMuch(actual, submission);
  const isInlineIn = submission.isInline && submission.isIn;
  if (isInlineIn && length < URB_BYTES + actual) {
    return new ProtocolError("TRUNCATED", `${length - URB_BYTES} of ${actual} bytes came inline`);
  }
  const { urb } = submission;
  if (urb === undefined) return undefined;
  const status = words[STATUS]!;
  urb.status = status === 0 ? ok : transferStatusOf(status);
  urb.actualLength = actual;
  urb.errorCount = 0;
  if (isInlineIn) copyBytes(bytes, URB_BYTES, actual, urb.buffer, urb.offset);
  else if (submission.isIn && actual > 0) {
    set.call(urb.buffer, submission.dataIn(memory, bufferOffset, actual), urb.offset);
  }
  return undefined;
}

/** The same of an ISO_COMPLETE. One that was refused has no packets. */
export function takeIsoComplete(
  { view, length }: Consumer,
  submission: Submission,
  memory: Uint8Array,
  bufferOffset: number,
): ProtocolError | undefined {
  const read = IsoComplete.read;
  const { packetCount } = submission;
  const count = read.number_of_packets(view, BODY);
  const status = transferStatusOf(read.status(view, BODY));
  const isRefused = count === 0 && status !== TransferStatus.ok;
  if (!isRefused && count !== packetCount) {
    return new ProtocolError("BAD_FIELD", `${count} packets came back of ${packetCount}`);
  }
  if (length < ISO_SIZE + count * IsoResult.size) {
    return new ProtocolError("TRUNCATED", `${length} bytes of an ISO_COMPLETE with ${count} packets`);
  }
  const { urb } = submission;
  if (urb === undefined) return undefined;
  let sum = 0;
  for (let i = 0, at = ISO_SIZE; i < count; i++, at += IsoResult.size) {
    const word = i * PACKET_WORDS;
    const actual = IsoResult.read.actual_length(view, at);
    if (actual > urb.packets[word + PacketWord.length]!) return tooMuch(actual, submission);
    const offset = urb.packets[word + PacketWord.offset]!;
    urb.packets[word + PacketWord.actualLength] = actual;
    urb.packets[word + PacketWord.status] = transferStatusOf(IsoResult.read.status(view, at));
    if (submission.isIn) copyBytes(memory, bufferOffset + offset, actual, urb.buffer, urb.offset + offset);
    sum += actual;
  }
  urb.status = status;
  urb.actualLength = sum;
  urb.errorCount = Math.min(read.error_count(view, BODY), packetCount);
  urb.startFrame = read.start_frame(view, BODY) | 0;
  return undefined;
}

function tooMuch(actual: number, { transaction, length }: Submission): ProtocolError {
  return new ProtocolError("BAD_LENGTH", `${actual} bytes for transaction ${transaction} of ${length}`);
}

function wordOf(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function transferFlags(flags: number): number {
  let bits = 0;
  if (flags & UrbFlag.shortNotOk) bits |= TransferFlag.SHORT_NOT_OK;
  if (flags & UrbFlag.isoAsap) bits |= TransferFlag.ISO_ASAP;
  if (flags & UrbFlag.zeroPacket) bits |= TransferFlag.ZERO_PACKET;
  return bits;
}
