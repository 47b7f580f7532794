import { closeSync, constants, openSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
const PIECE = 4096;

/** Bytes in which a lost, doubled or moved one shows. */
export function numberedBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Sends bytes through a port whose other end sends them back. Answers where they differ first, or -1. */
export async function exchange(path: string, length: number): Promise<number> {
  const sent = numberedBytes(length);
  const port = await open(path, O_RDWR | O_NOCTTY);
  try {
    const [received] = await Promise.all([receive(port, length), send(port, sent)]);
    return sent.findIndex((byte, i) => received[i] !== byte);
  } finally {
    await port.close();
  }
}

/**
 * Sends bytes, lets the other end wait with its own for a while and takes them: the same bytes, each inverted.
 * Answers where they differ first, or -1.
 */
export async function sendThenReceive(path: string, length: number, pauseMs: number): Promise<number> {
  const sent = numberedBytes(length);
  const port = await open(path, O_RDWR | O_NOCTTY);
  try {
    await send(port, sent);
    await sleep(pauseMs);
    const received = await receive(port, length);
    return sent.findIndex((byte, i) => received[i] !== (byte ^ 0xff));
  } finally {
    await port.close();
  }
}

async function send(port: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await port.write(bytes, at, Math.min(PIECE, bytes.length - at))).bytesWritten;
  }
}

async function receive(port: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await port.read(bytes, at, length - at);
    if (bytesRead === 0) throw new Error(`the port hung up after ${at} of ${length} bytes`);
    at += bytesRead;
  }
  return bytes;
}

/** Opens and closes the port; while it is open its driver has reads pending. Every other time bytes are on their way. */
export async function openAndClose(path: string, cycles: number): Promise<void> {
  for (let cycle = 0; cycle < cycles; cycle++) {
    const port = openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (cycle % 2 === 1) writeSync(port, numberedBytes(100));
    closeSync(port);
    // The agent has other things to hear of meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
