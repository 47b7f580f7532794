/**
 * What a host must make of the bytes of a client, by the document alone: a second reader, slow and simple, which has
 * nothing of the first one. The devices behind it keep every URB until the end.
 */
export interface Verdict {
  /** The status of the Error frame, if there is one. */
  readonly error: number | undefined;
  /** Answers in no order: type, sequence number and what the answer says. */
  readonly answers: readonly string[];
  /** Responses that a detach may have overtaken. */
  readonly perhaps: readonly string[];
}

const ENDPOINTS = new Map([
  [0x81, 2],
  [0x01, 2],
  [0x82, 3],
  [0x83, 1],
  [0x03, 1],
]);
/** What the devices move of a transfer, and of a packet. */
export const MOVED_MAX = { transfer: 4096, packet: 100 };

const BAD_VERSION = 65;
const BAD_COMMAND = 66;
const BAD_FIELD = 67;
const BAD_LENGTH = 68;
const BAD_DEVICE = 69;
const DUPLICATE = 70;

interface OpenMessage {
  readonly type: number;
  readonly sequence: number;
  bytes: number[];
  /** It was for a device that is gone, or a device was gone before its last frame came. */
  device: number;
}

class Fault extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

/** Judges a stream that the host reads to its end; the connection stays. */
export function judgeClient(stream: Uint8Array, busids: readonly string[]): Verdict {
  const model = new Model(busids);
  try {
    model.read(stream);
    model.finish();
    return { error: undefined, answers: model.answers, perhaps: model.perhaps };
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    return { error: fault.status, answers: [], perhaps: [] };
  }
}

class Model {
  answers: string[] = [];
  readonly perhaps: string[] = [];
  /** The device of each response. */
  readonly #responses = new Map<string, number>();
  readonly #busids: readonly string[];
  readonly #open = new Map<string, OpenMessage>();
  readonly #attached = new Map<number, string>();
  readonly #inFlight = new Map<number, { device: number; answer: string }>();
  #handles = 0;
  #isFirst = true;
  #greeted = false;
  #credit = 0;

  constructor(busids: readonly string[]) {
    this.#busids = busids;
  }

  read(stream: Uint8Array): void {
    const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
    for (let at = 0; at + 16 <= stream.length; ) {
      const [type, size, sequence, flags] = [0, 4, 8, 12].map((i) => view.getUint32(at + i, true)) as [
        number,
        number,
        number,
        number,
      ];
      at += 16;
      const there = stream.subarray(at, Math.min(at + size, stream.length));
      this.#frame(type, size, sequence, flags, there);
      at += size;
    }
  }

  /** Every URB that is in flight ends well. */
  finish(): void {
    for (const { answer } of this.#inFlight.values()) this.answers.push(answer);
  }

  #frame(type: number, size: number, sequence: number, flags: number, there: Uint8Array): void {
    if (this.#isFirst && type !== 7 && type !== 255) throw new Fault(BAD_VERSION);
    this.#isFirst = false;
    if (size > 65_520) throw new Fault(BAD_LENGTH);
    if (flags > 2 || (flags === 1 && size === 0) || (flags === 2 && size > 0)) throw new Fault(BAD_FIELD);
    const key = `${type & 0xff} ${sequence}`;
    const known = this.#open.get(key);
    if (flags === 2) {
      if (known === undefined) throw new Fault(BAD_FIELD);
      this.#open.delete(key);
      return;
    }
    const message = known ?? this.#begin(type, sequence);
    const isLast = flags === 0;
    if (message.type === 4) this.#frameOfRequest(message, size, there, isLast);
    else this.#frameOfOther(message, size, there, isLast);
    if (there.length < size) return;
    if (!isLast) this.#open.set(key, message);
    else {
      this.#open.delete(key);
      this.#done(message);
    }
  }

  #begin(type: number, sequence: number): OpenMessage {
    const message = { type, sequence, bytes: [], device: 0 };
    if (type === 255) return message;
    if (type === 7) {
      if (this.#greeted) throw new Fault(BAD_COMMAND);
      return message;
    }
    if (!this.#greeted) throw new Fault(BAD_COMMAND);
    if (![1, 2, 3, 4, 8, 9, 10, 11].includes(type)) throw new Fault(BAD_COMMAND);
    if (sequence === 0 && ![9, 10].includes(type)) throw new Fault(BAD_FIELD);
    if (type === 4 && this.#inFlight.has(sequence)) throw new Fault(DUPLICATE);
    return message;
  }

  #frameOfOther(message: OpenMessage, size: number, there: Uint8Array, isLast: boolean): void {
    const [least, most] = LENGTHS[message.type]!;
    const length = message.bytes.length + size;
    if (length > most || (isLast && length < least)) throw new Fault(BAD_LENGTH);
    message.bytes.push(...there);
  }

  #frameOfRequest(message: OpenMessage, size: number, there: Uint8Array, isLast: boolean): void {
    const isFirst = message.bytes.length === 0;
    if (isFirst && size < 40) throw new Fault(BAD_LENGTH);
    const before = message.bytes.length;
    message.bytes.push(...there);
    if (isFirst && there.length < 40) return;
    const { length, packets, endpoint, type, device } = fieldsOf(message.bytes);
    if (isFirst) {
      if (length > 16 << 20 || packets > 1024) throw new Fault(BAD_LENGTH);
      if ((endpoint & 0x70) !== 0 || type > 3) throw new Fault(BAD_FIELD);
      if (device === 0 || device > this.#handles) throw new Fault(BAD_DEVICE);
      message.device = this.#attached.has(device) ? device : 0;
    }
    const whole = 40 + 8 * packets + (endpoint < 0x80 ? length : 0);
    const framed = before + size;
    if (framed > whole || (isLast && framed < whole)) throw new Fault(BAD_LENGTH);
    if (isFirst && size < 40 + 8 * packets) throw new Fault(BAD_LENGTH);
  }

  #done({ type, sequence, bytes, device }: OpenMessage): void {
    const word = (at: number): number => wordOf(bytes, at);
    switch (type) {
      case 7:
        this.#hello(bytes);
        return;
      case 255:
        throw new Fault(0);
      case 1:
        this.answers.push(`1 ${sequence} ${this.#busids.length}`);
        return;
      case 2:
        this.#attach(sequence, bytes);
        return;
      case 3:
        this.#detach(sequence, word(0));
        return;
      case 4:
        if (this.#attached.has(device)) this.#request(sequence, bytes, device);
        return;
      case 8: {
        const isThere = this.#inFlight.has(word(0));
        this.answers.push(`8 ${sequence} ${word(0)} ${isThere ? 0 : 32}`);
        return;
      }
      case 9:
        if (word(0) === 0) this.answers.push(`9 ${sequence} 1`);
        return;
      case 10:
        this.#mustBeGiven(word(0));
        // Next to nothing was sent, so next to nothing can come back.
        if (this.#attached.has(word(0)) && word(4) > 0) throw new Fault(BAD_FIELD);
        return;
      case 11: {
        this.#mustBeGiven(word(0));
        const status = this.#attached.has(word(0)) ? 0 : 3;
        this.answers.push(`11 ${sequence} ${word(0)} ${status}`);
      }
    }
  }

  #hello(bytes: readonly number[]): void {
    if (this.#greeted) throw new Fault(BAD_COMMAND);
    const magic = String.fromCharCode(...bytes.slice(0, 6));
    const [version, lowest] = [bytes[6]! | (bytes[7]! << 8), bytes[8]! | (bytes[9]! << 8)];
    this.#credit = wordOf(bytes, 12);
    if (magic !== "WSLUSB" || this.#credit < 65_536 || this.#credit > 16 << 20) throw new Fault(BAD_FIELD);
    if (version < 2 || lowest > 2) throw new Fault(BAD_VERSION);
    this.#greeted = true;
    this.answers.push("7 0 2");
  }

  #attach(sequence: number, bytes: readonly number[]): void {
    if (bytes[255] !== 0) throw new Fault(BAD_FIELD);
    const end = bytes.indexOf(0);
    const busid = String.fromCharCode(...bytes.slice(0, end));
    const isTaken = Array.from(this.#attached.values()).includes(busid);
    if (!this.#busids.includes(busid) || isTaken) {
      this.answers.push(`2 ${sequence} ${isTaken ? 33 : 32}`);
      return;
    }
    this.#attached.set(++this.#handles, busid);
    this.answers.push(`2 ${sequence} 0 ${this.#handles}`);
  }

  #detach(sequence: number, handle: number): void {
    this.#mustBeGiven(handle);
    const status = this.#attached.delete(handle) ? 0 : 3;
    const isOvertaken = (answer: string): boolean => this.#responses.get(answer) === handle;
    this.perhaps.push(...this.answers.filter(isOvertaken));
    this.answers = this.answers.filter((answer) => !isOvertaken(answer));
    for (const [urb, { device }] of this.#inFlight) if (device === handle) this.#inFlight.delete(urb);
    this.answers.push(`3 ${sequence} ${handle} ${status}`);
  }

  #mustBeGiven(handle: number): void {
    if (handle === 0 || handle > this.#handles) throw new Fault(BAD_DEVICE);
  }

  #request(sequence: number, bytes: readonly number[], device: number): void {
    const { length, packets, endpoint, type } = fieldsOf(bytes);
    const actual = (endpoint & 15) === 0 ? 0 : ENDPOINTS.get(endpoint);
    const isMisled = type === 0 && length > 0 && endpoint >> 7 !== bytes[8]! >> 7;
    let end = 0;
    let sum = 0;
    let isSound = true;
    for (let i = 0; i < packets; i++) {
      const [offset, size] = [wordOf(bytes, 40 + 8 * i), wordOf(bytes, 44 + 8 * i)];
      isSound &&= offset >= end && offset + size <= length;
      end = offset + size;
      sum += Math.min(size, MOVED_MAX.packet);
    }
    if (actual === undefined) this.#refuse(sequence, 1, packets, device);
    else if (type !== actual || isMisled || (packets > 0 && type !== 1))
      this.#refuse(sequence, 11, packets, device);
    else if (!isSound) this.#refuse(sequence, 11, packets, device);
    else {
      const moved = packets > 0 ? sum : Math.min(length, MOVED_MAX.transfer);
      this.#inFlight.set(sequence, { device, answer: `5 ${sequence} 0 ${moved} ${packets} 0` });
    }
  }

  #refuse(sequence: number, status: number, packets: number, device: number): void {
    const answer = `5 ${sequence} ${status} 0 ${packets} ${packets}`;
    this.#responses.set(answer, device);
    this.answers.push(answer);
  }
}

/** Least and most bytes of each message but UrbRequest. */
const LENGTHS: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 4],
  2: [256, 256],
  3: [4, 4],
  7: [36, 4096],
  8: [4, 4],
  9: [4, 4],
  10: [8, 8],
  11: [4, 4],
  255: [260, 260],
};

function fieldsOf(bytes: readonly number[]): {
  readonly device: number;
  readonly endpoint: number;
  readonly type: number;
  readonly length: number;
  readonly packets: number;
} {
  return {
    device: wordOf(bytes, 0),
    endpoint: bytes[4]!,
    type: bytes[5]!,
    length: wordOf(bytes, 16),
    packets: wordOf(bytes, 20),
  };
}

function wordOf(bytes: readonly number[], at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
