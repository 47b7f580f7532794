import { TransferStatus, type TransferType } from "../../src/usb/urb.ts";
import { joined } from "./mutation.ts";
import type { Submitted } from "./scripted-device.ts";
import { dataByte, packetStatus } from "./scripted-endpoints.ts";
import { AT, HEADER, PACKET, putWord, word } from "./usbip-message.ts";

export const REFUSED_STALL = -32;
export const REFUSED_INVALID = -22;
export const REFUSED_NO_MEMORY = -12;

/** A CMD_SUBMIT as its client remembers it. */
export interface Request {
  readonly header: Uint8Array;
  readonly seqnum: number;
  readonly endpoint: number;
  readonly type: TransferType | undefined;
  readonly length: number;
  readonly isReset: boolean;
  payload: Uint8Array;
  readonly packets: { readonly offset: number; readonly length: number }[];
  /** Status of the answer if the server may not bother the device with it. */
  refusal: number | undefined;
  /** What the device made of it. */
  entry: Submitted | undefined;
  /** A CMD_UNLINK for it is on its way. */
  unlinked: boolean;
  /** A CMD_UNLINK came before it; it is not carried out. */
  readonly isPrevented: boolean;
}

/** Linux' numbers of the statuses that `ScriptedDevice` gives. */
const ERRNO: ReadonlyMap<TransferStatus, number> = new Map([
  [TransferStatus.ok, 0],
  [TransferStatus.stall, -32],
  [TransferStatus.cancelled, -104],
  [TransferStatus.disconnected, -108],
  [TransferStatus.overflow, -75],
  [TransferStatus.protocol, -71],
  [TransferStatus.crc, -84],
  [TransferStatus.notDone, -18],
]);

/** RET_SUBMIT to the last byte, from the request and the log of the device. */
export function expectedReply(request: Request): Uint8Array {
  const { header, entry, refusal } = request;
  const status = refusal ?? ERRNO.get(entry?.status ?? TransferStatus.ok)!;
  const data: Uint8Array[] = [];
  let errors = 0;
  const descriptors = request.packets.map(({ offset, length }, i) => {
    const done = entry?.move.actualLengths[i];
    const actual = Math.min(done ?? 0, length);
    const packetErrno = ERRNO.get(done === undefined ? TransferStatus.notDone : packetStatus(i))!;
    if (packetErrno !== 0) errors++;
    data.push(deviceData(request, offset, actual));
    return descriptor(offset, length, actual, packetErrno);
  });
  let actualLength = data.reduce((sum, { length }) => sum + length, 0);
  if (request.packets.length === 0) {
    const claimed = entry === undefined ? 0 : entry.move.claimed;
    actualLength = Math.min(Math.max(claimed, 0), request.length);
    data.push(deviceData(request, 0, actualLength));
  }
  const reply = new Uint8Array(HEADER);
  putWord(reply, AT.command, 3);
  putWord(reply, AT.seqnum, request.seqnum);
  putWord(reply, 20, status);
  putWord(reply, 24, actualLength);
  putWord(reply, 28, refusal === undefined ? word(header, AT.startFrame) : 0);
  putWord(reply, 32, word(header, AT.numberOfPackets));
  putWord(reply, 36, refusal === undefined ? errors : 0);
  const isIn = request.endpoint >= 0x80;
  return joined([reply, ...(isIn ? data : []), ...descriptors]);
}

function deviceData({ entry }: Request, offset: number, length: number): Uint8Array {
  const n = entry?.number ?? 0;
  return Uint8Array.from({ length }, (_, i) => dataByte(n, offset + i));
}

function descriptor(offset: number, length: number, actual: number, status: number): Uint8Array {
  const bytes = new Uint8Array(PACKET);
  putWord(bytes, 0, offset);
  putWord(bytes, 4, length);
  putWord(bytes, 8, actual);
  putWord(bytes, 12, status);
  return bytes;
}
