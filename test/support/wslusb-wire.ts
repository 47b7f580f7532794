import { ProtocolError } from "../../src/wire/protocol-error.ts";
import {
  FrameHeader,
  IsoRequest,
  IsoResult,
  MessageType,
  UrbRequest,
  UrbResponse,
} from "../../src/wslusb/messages.ts";
import { annotatedHex } from "./annotated-hex.ts";

/** One frame. */
export function frame(type: number, sequence: number, payload: Uint8Array, reserved = 0): Uint8Array {
  const header = FrameHeader.encode({
    type,
    payload_size: payload.length,
    sequence_number: sequence,
    reserved,
  });
  return Uint8Array.from(Buffer.concat([header, payload]));
}

/** Hello of version 2 with a credit of 64 KiB, as a client sends it. */
export const CLIENT_HELLO = annotatedHex(`
  07000000      type Hello
  24000000      payload_size
  00000000      sequence_number
  00000000      reserved
  57534c555342  magic
  0200          version
  0200          lowest_version
  0000          reserved
  00000100      credit 65536
  00000000      devices
  00000000      urbs
  00000000      bytes
  00000000      transfer_length
  00000000      packets
`);

/** The same of a host, whose limits are those of a small one. */
export const HOST_HELLO = annotatedHex(`
  07000000      type Hello
  24000000      payload_size
  00000000      sequence_number
  00000000      reserved
  57534c555342  magic
  0200          version
  0200          lowest_version
  0000          reserved
  00000100      credit 65536
  08000000      devices
  40000000      urbs
  00001000      bytes
  00000001      transfer_length
  00040000      packets
`);

/** DeviceAttach of a bus id. */
export function attach(sequence: number, busid: string): Uint8Array {
  const payload = new Uint8Array(256);
  payload.set(Buffer.from(busid));
  return frame(MessageType.DeviceAttach, sequence, payload);
}

/** Words of 32 bits, little-endian. */
export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint32(4 * i, value, true);
  return bytes;
}

export interface RequestOptions {
  readonly device?: number;
  readonly endpoint?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly setup?: string;
  readonly length?: number;
  readonly data?: Uint8Array;
  /** [offset, length] of each packet. */
  readonly packets?: readonly (readonly [number, number])[];
}

/** The payload of a UrbRequest; bulk IN of 512 bytes on 0x81 unless something else is said. */
export function request(options: RequestOptions = {}): Uint8Array {
  const { device = 1, endpoint = 0x81, type = 2, data = new Uint8Array(0), packets = [] } = options;
  const head = UrbRequest.encode({
    device,
    endpoint,
    transfer_type: type,
    flags: options.flags ?? 0,
    setup: annotatedHex(options.setup ?? ""),
    transfer_buffer_length: options.length ?? (data.length > 0 ? data.length : 512),
    number_of_packets: packets.length,
    interval: 0,
    start_frame: 0,
    stream_id: 0,
    reserved: 0,
  });
  const table = packets.map(([offset, length]) => IsoRequest.encode({ offset, length }));
  return Uint8Array.from(Buffer.concat([head, ...table, data]));
}

export interface ResponseOptions {
  readonly status?: number;
  /** Default: the length of `data`. */
  readonly transferred?: number;
  readonly data?: Uint8Array;
  readonly numberOfPackets?: number;
  readonly errorCount?: number;
  /** [actual length, status] of each packet. */
  readonly packets?: readonly (readonly [number, number])[];
}

/** The payload of a UrbResponse. */
export function response(options: ResponseOptions = {}): Uint8Array {
  const { data = new Uint8Array(0), packets = [] } = options;
  const head = UrbResponse.encode({
    status: options.status ?? 0,
    transferred_length: options.transferred ?? data.length,
    start_frame: 0,
    error_count: options.errorCount ?? 0,
    number_of_packets: options.numberOfPackets ?? packets.length,
    reserved: 0,
  });
  const table = packets.map(([actual_length, status]) => IsoResult.encode({ actual_length, status }));
  return Uint8Array.from(Buffer.concat([head, ...table, data]));
}

/** A frame as a test sees it. */
export interface SeenFrame {
  readonly type: number;
  readonly sequence: number;
  readonly reserved: number;
  readonly payload: Uint8Array;
}

/** Cuts what an engine wrote into frames; throws if they are not whole. */
export function framesOf(bytes: Uint8Array): SeenFrame[] {
  const frames: SeenFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = FrameHeader.decode(bytes, at);
    if (header instanceof ProtocolError) throw new Error(header.toString());
    const from = at + FrameHeader.size;
    at = from + header.payload_size;
    if (at > bytes.length) throw new Error("half a frame");
    frames.push({
      type: header.type,
      sequence: header.sequence_number,
      reserved: header.reserved,
      payload: bytes.slice(from, at),
    });
  }
  return frames;
}
