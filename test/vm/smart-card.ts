import type { Socket } from "node:net";

/** The messages of QEMU's `ccid-card-passthru`: type, reader and length as big-endian words, then data (libcacard). */
const MESSAGE = { init: 1, error: 2, readerAdd: 3, atr: 5, apdu: 7 } as const;
const HEADER_SIZE = 12;
const MAGIC = "VSCD";
const VERSION = 2;

/** What a card says when it gets power: TS, T0 with two historical bytes, and these. */
export const ANSWER_TO_RESET = Buffer.from("3b021450", "hex");

/** Puts a card into the reader at the other end of the wire. It answers each command with the command and 90 00. */
export function insertCard(wire: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  wire.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < HEADER_SIZE) return;
      const size = HEADER_SIZE + rest.readUInt32BE(8);
      if (rest.length < size) return;
      if (rest.readUInt32BE(0) === MESSAGE.apdu)
        send(wire, MESSAGE.apdu, cardAnswer(rest.subarray(HEADER_SIZE, size)));
      rest = rest.subarray(size);
    }
  });
  const greeting = Buffer.alloc(12);
  greeting.write(MAGIC, 0, "latin1");
  greeting.writeUInt32BE(VERSION, 4);
  send(wire, MESSAGE.init, greeting);
  send(wire, MESSAGE.readerAdd, Buffer.alloc(0));
  send(wire, MESSAGE.atr, ANSWER_TO_RESET);
}

export function cardAnswer(command: Buffer): Buffer {
  return Buffer.concat([command, Buffer.from([0x90, 0x00])]);
}

function send(wire: Socket, type: number, data: Buffer): void {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32BE(type, 0);
  header.writeUInt32BE(data.length, 8);
  wire.write(Buffer.concat([header, data]));
}
