import { CmdUnlink, Command, HEADER_SIZE, HeaderBasic, RetUnlink } from "./pdu.ts";

const BODY = HeaderBasic.size;

/** In the padding of a CMD_UNLINK for seqnum 0, and of the answer to it: docs/protocols/usbip-alive.md. */
const MARK = Array.from("usbferry alive 1", (letter) => letter.charCodeAt(0));
/** Of both messages: behind a field of 32 bits. */
const MARK_AT = BODY + 4;

/** A request to say that one is there, which every server takes for a cancel that comes too late. */
export function encodeAliveQuestion(seqnum: number, devid: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.CMD_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  HeaderBasic.put.devid(bytes, 0, devid);
  CmdUnlink.put.seqnum(bytes, BODY, 0);
  bytes.set(MARK, MARK_AT);
  return bytes;
}

export function encodeAliveAnswer(seqnum: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  HeaderBasic.put.command(bytes, 0, Command.RET_UNLINK);
  HeaderBasic.put.seqnum(bytes, 0, seqnum);
  RetUnlink.put.status(bytes, BODY, 0);
  bytes.set(MARK, MARK_AT);
  return bytes;
}

/** Whether a message whose header begins at `at` is marked. */
export function hasAliveMark({ buffer, byteOffset }: ArrayBufferView, at: number): boolean {
  const mark = new Uint8Array(buffer, byteOffset + at + MARK_AT, MARK.length);
  return MARK.every((letter, i) => mark[i] === letter);
}
