import { readFileSync } from "node:fs";

/** One event of usbmon, read by nobody's code but this test's. */
export interface RecordedEvent {
  readonly id: string;
  readonly type: string;
  readonly transferType: number;
  readonly endpoint: number;
  readonly busnum: number;
  readonly devnum: number;
  readonly status: number;
  /** Bytes that were asked for or came, as the header tells. */
  readonly length: number;
  readonly setup: string;
  readonly interval: number;
  readonly startFrame: number;
  readonly flags: number;
  /** Of an isochronous transfer: failed packets, and `status offset length` of each. */
  readonly errorCount: number;
  readonly packets: readonly (readonly [status: number, offset: number, length: number])[];
  readonly data: Buffer;
  readonly comment: string | undefined;
}

const ISOCHRONOUS = 0;

/** What stands in a pcapng file (draft-ietf-opsawg-pcapng; linux: Documentation/usb/usbmon.rst). */
export function readRecording(path: string): {
  readonly events: readonly RecordedEvent[];
  readonly dropped: number | undefined;
} {
  const file = readFileSync(path);
  const events: RecordedEvent[] = [];
  let dropped: number | undefined;
  for (let at = 0; at + 8 <= file.length; at += file.readUInt32LE(at + 4)) {
    // The last block of a file that is being written.
    if (at + file.readUInt32LE(at + 4) > file.length) break;
    const type = file.readUInt32LE(at);
    if (type === 6) events.push(readEvent(file.subarray(at, at + file.readUInt32LE(at + 4))));
    // Behind times and isb_ifrecv, of 12 bytes each.
    if (type === 5) dropped = Number(file.readBigUInt64LE(at + 20 + 36 + 4));
  }
  return { events, dropped };
}

function readEvent(block: Buffer): RecordedEvent {
  const captured = block.readUInt32LE(20);
  const options = 28 + ((captured + 3) & ~3);
  const packet = block.subarray(28, 28 + captured);
  const transferType = packet[9]!;
  const descriptors = packet.readUInt32LE(60);
  return {
    id: packet.subarray(0, 8).toString("hex"),
    type: String.fromCharCode(packet[8]!),
    transferType,
    endpoint: packet[10]!,
    busnum: packet.readUInt16LE(12),
    devnum: packet[11]!,
    status: packet.readInt32LE(28),
    length: packet.readUInt32LE(32),
    setup: packet[14] === 0 ? packet.subarray(40, 48).toString("hex") : "",
    interval: packet.readInt32LE(48),
    startFrame: packet.readInt32LE(52),
    flags: packet.readUInt32LE(56),
    errorCount: transferType === ISOCHRONOUS ? packet.readInt32LE(40) : 0,
    packets: Array.from({ length: descriptors }, (_, i) => {
      const at = 64 + 16 * i;
      return [packet.readInt32LE(at), packet.readUInt32LE(at + 4), packet.readUInt32LE(at + 8)] as const;
    }),
    data: packet.subarray(64 + 16 * descriptors),
    comment:
      options < block.length - 4
        ? block.subarray(options + 4, options + 4 + block.readUInt16LE(options + 2)).toString()
        : undefined,
  };
}

/** Those that passed, in short: `S 81`. */
export function traffic(path: string): readonly string[] {
  return readRecording(path)
    .events.filter(({ comment }) => comment === undefined)
    .map(({ type, endpoint }) => `${type} ${endpoint.toString(16)}`);
}
