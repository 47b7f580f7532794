import { FrameHeader } from "./messages.ts";

/** Room for the header of its first frame stands in front of each payload. */
export const HEAD = FrameHeader.size;

const NO_BYTES = new Uint8Array(0);

/** A message on its way out: a payload behind room for a frame header, and how much of it has left. */
export class Outgoing {
  type = 0;
  sequence = 0;
  bytes: Uint8Array = NO_BYTES;
  /** Bytes of the payload. */
  size = 0;
  /** Bytes of the payload that are in frames already. */
  sent = 0;
  /** Only says that a message which was begun has been given up. */
  isAbandonment = false;
  /** Bytes that belong to no transfer. */
  looseBytes = 0;
  /** The link has taken its last frame, or it was given up: its memory is free. */
  left: () => void;

  constructor(left: () => void = () => {}) {
    this.left = left;
  }

  /** Begins anew, with other bytes. */
  renew(type: number, sequence: number, bytes: Uint8Array, size: number): void {
    this.type = type;
    this.sequence = sequence;
    this.bytes = bytes;
    this.size = size;
    this.sent = 0;
  }

  get isBegun(): boolean {
    return this.sent > 0;
  }

  get isWhole(): boolean {
    return this.sent === this.size;
  }
}

/** A message with memory of its own. */
export function looseMessage(type: number, sequence: number, ...payload: readonly Uint8Array[]): Outgoing {
  const size = payload.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(HEAD + size);
  let at: number = HEAD;
  for (const part of payload) {
    bytes.set(part, at);
    at += part.length;
  }
  const message = new Outgoing();
  message.renew(type, sequence, bytes, size);
  message.looseBytes = bytes.length;
  return message;
}

/** The last word on a message of which some frames have left; its memory is free when that has left, too. */
export function abandonment(given: Outgoing): Outgoing {
  const message = new Outgoing(given.left);
  message.renew(given.type, given.sequence, new Uint8Array(HEAD), 0);
  message.isAbandonment = true;
  message.looseBytes = HEAD;
  return message;
}
