import { joined, putField } from "./mutation.ts";

/**
 * The messages of a USB/IP client by their offsets alone: a second reading of the document, so that the codec
 * under test is not its own judge.
 */
export const AT = {
  command: 0,
  seqnum: 4,
  devid: 8,
  direction: 12,
  ep: 16,
  flags: 20,
  length: 24,
  startFrame: 28,
  numberOfPackets: 32,
  interval: 36,
  setup: 40,
  /** CMD_UNLINK */
  unlinked: 20,
} as const;

export const HEADER = 48;
export const PACKET = 16;
export const OP_IMPORT = 40;
export const DEVID = 0x00010002;

export function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function putWord(bytes: Uint8Array, at: number, value: number): void {
  putField(bytes, at, 4, "big", value);
}

export interface SubmitFields {
  readonly seqnum: number;
  readonly ep: number;
  readonly in?: boolean;
  readonly length: number;
  readonly flags?: number;
  readonly interval?: number;
  /** Hex of the setup packet. */
  readonly setup?: string;
  /** Lengths of isochronous packets, one behind the other. */
  readonly packets?: readonly number[];
  /** Bytes left out between packets. */
  readonly gap?: number;
}

/** CMD_SUBMIT with a counting payload. */
export function submit(fields: SubmitFields): Uint8Array {
  const { packets, gap = 0, length } = fields;
  const isIn = fields.in === true;
  const header = new Uint8Array(HEADER);
  putWord(header, AT.command, 1);
  putWord(header, AT.seqnum, fields.seqnum);
  putWord(header, AT.devid, DEVID);
  putWord(header, AT.direction, isIn ? 1 : 0);
  putWord(header, AT.ep, fields.ep);
  putWord(header, AT.flags, fields.flags ?? (isIn ? 0x200 : 0));
  putWord(header, AT.length, length);
  putWord(header, AT.numberOfPackets, packets?.length ?? -1);
  putWord(header, AT.interval, fields.interval ?? 0);
  header.set(Buffer.from(fields.setup ?? "", "hex"), AT.setup);
  const payload = Uint8Array.from({ length: isIn ? 0 : length }, (_, i) => i + fields.seqnum);
  let offset = 0;
  const descriptors = (packets ?? []).map((packetLength) => {
    const descriptor = packet(offset, packetLength);
    offset += packetLength + gap;
    return descriptor;
  });
  return joined([header, payload, ...descriptors]);
}

export function packet(offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(PACKET);
  putWord(bytes, 0, offset);
  putWord(bytes, 4, length);
  putWord(bytes, 12, -18);
  return bytes;
}

export function unlink(seqnum: number, unlinked: number): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  putWord(bytes, AT.command, 2);
  putWord(bytes, AT.seqnum, seqnum);
  putWord(bytes, AT.devid, DEVID);
  putWord(bytes, AT.unlinked, unlinked);
  return bytes;
}

export function importOf(busid: string): Uint8Array {
  const bytes = new Uint8Array(OP_IMPORT);
  bytes.set([0x01, 0x11, 0x80, 0x03]);
  bytes.set(Buffer.from(busid, "latin1"), 8);
  return bytes;
}

export const DEVLIST: Uint8Array = Uint8Array.of(0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0);

export const EVENTS: Uint8Array = Uint8Array.of(0x01, 0x11, 0x8e, 0x01, 0, 0, 0, 0, 0, 0, 0, 1);

/** Sizes of the parts behind the header of a CMD_SUBMIT, if it is one that must be taken. */
export function partsOf(header: Uint8Array, at: number): { payload: number; packets: number } {
  const isOut = word(header, at + AT.direction) === 0;
  return {
    payload: isOut ? word(header, at + AT.length) : 0,
    packets: Math.max(word(header, at + AT.numberOfPackets) | 0, 0),
  };
}

/** Codes of everything that is wrong with a header of the URB phase by itself; none: it must be taken. */
export function faultsOf(header: Uint8Array, at: number): string[] {
  const faults: string[] = [];
  const command = word(header, at + AT.command);
  if (command !== 1 && command !== 2) return ["BAD_COMMAND"];
  if (word(header, at + AT.devid) !== DEVID) faults.push("BAD_DEVICE");
  if (command === 2) return faults;
  if (word(header, at + AT.length) > 16 * 1024 * 1024) faults.push("BAD_LENGTH");
  const packets = word(header, at + AT.numberOfPackets) | 0;
  if (packets < -1 || packets > 1024) faults.push("BAD_LENGTH");
  if (word(header, at + AT.direction) > 1) faults.push("BAD_FIELD");
  if (word(header, at + AT.ep) > 15) faults.push("BAD_FIELD");
  return faults;
}

/** Where each message of a client that imports "1-2" begins, as far as they can be told apart. */
export function messageStarts(stream: Uint8Array): number[] {
  const starts: number[] = [];
  let isImported = false;
  for (let at = 0; at < stream.length; ) {
    starts.push(at);
    if (!isImported) {
      const isImport = stream[at + 3] === 3;
      isImported = isImport && Buffer.compare(stream.subarray(at + 8, at + 12), BUSID) === 0;
      at += isImport ? OP_IMPORT : stream[at + 3] === 1 ? EVENTS.length : DEVLIST.length;
    } else if (stream.length - at < HEADER) {
      break;
    } else {
      const { payload, packets } = partsOf(stream, at);
      at += HEADER + (word(stream, at) === 1 ? payload + packets * PACKET : 0);
    }
  }
  return starts;
}

const BUSID = Buffer.from("1-2\0");
