import { isIn, PACKET_WORDS, PacketWord, type TransferStatus } from "../usb/urb.ts";
import { copyBytes } from "../wire/copy-bytes.ts";
import type { Channel } from "./channel.ts";
import type { Exchange } from "./exchange.ts";
import { CompleteWord } from "./message-words.ts";
import {
  BODY,
  DataMode,
  ISO_SIZE,
  IsoComplete,
  IsoResult,
  MessageType,
  URB_SIZE,
  UrbComplete,
} from "./messages.ts";
import { statusOf } from "./status.ts";

// What is imported is looked up at each use; a constant of its own module is part of the compiled code.
const { URB_COMPLETE } = MessageType;
const { INLINE } = DataMode;
const URB_BYTES = URB_SIZE;
const {
  device_id: ID,
  endpoint: ENDPOINT,
  status: STATUS,
  actual_length: ACTUAL,
  data_mode: MODE,
  buffer_offset: OFFSET,
  reserved: RESERVED,
} = CompleteWord;

/** Sends the URB_COMPLETE of a URB that has ended, with a status of the ring, and notes how much has moved. */
export function sendComplete(channel: Channel, device: number, exchange: Exchange, status: number): void {
  const { urb, dataMode } = exchange;
  const moved = Math.min(Math.max(urb.actualLength, 0), urb.length);
  const inline = dataMode === INLINE && isIn(urb.endpoint) ? moved : 0;
  const at = channel.open(URB_COMPLETE, exchange.transaction, device, URB_BYTES + inline, RESERVED);
  const { words } = channel;
  words[at + ID] = device;
  words[at + ENDPOINT] = urb.endpoint & 15;
  words[at + STATUS] = status;
  words[at + ACTUAL] = moved;
  words[at + MODE] = dataMode;
  words[at + OFFSET] = exchange.bufferOffset;
  if (inline > 0) copyBytes(exchange.inline, 0, inline, channel.octets, 4 * at + URB_BYTES);
  channel.close(URB_BYTES + inline);
  exchange.moved = moved;
}

/** The same with an ISO_COMPLETE. */
export function sendIsoComplete(channel: Channel, device: number, exchange: Exchange, status: number): void {
  const { urb } = exchange;
  const { view } = channel;
  const write = IsoComplete.write;
  channel.begin(MessageType.ISO_COMPLETE, exchange.transaction, device, IsoComplete.size);
  write.device_id(view, BODY, device);
  write.endpoint(view, BODY, urb.endpoint & 15);
  write.status(view, BODY, status);
  write.error_count(view, BODY, Math.min(Math.max(urb.errorCount, 0), urb.packetCount));
  write.number_of_packets(view, BODY, urb.packetCount);
  write.start_frame(view, BODY, urb.startFrame);
  let at = ISO_SIZE;
  let moved = 0;
  for (let word = 0; word < urb.packetCount * PACKET_WORDS; word += PACKET_WORDS) {
    const length = urb.packets[word + PacketWord.length]!;
    const actual = Math.max(Math.min(urb.packets[word + PacketWord.actualLength]!, length), 0);
    IsoResult.write.actual_length(view, at, actual);
    IsoResult.write.status(view, at, statusOf(urb.packets[word + PacketWord.status]! as TransferStatus));
    moved += actual;
    at += IsoResult.size;
  }
  channel.send(at);
  exchange.moved = moved;
}

/** URB_COMPLETE or ISO_COMPLETE of a request that leads to no transfer; without packets. */
export function refuseSubmit(
  channel: Channel,
  type: number,
  transaction: number,
  device: number,
  endpoint: number,
  status: number,
): void {
  const body = type === MessageType.ISO_COMPLETE ? IsoComplete : UrbComplete;
  channel.begin(type, transaction, device, body.size);
  body.write.device_id(channel.view, BODY, device);
  body.write.endpoint(channel.view, BODY, endpoint);
  body.write.status(channel.view, BODY, status);
  channel.send(BODY + body.size);
}
