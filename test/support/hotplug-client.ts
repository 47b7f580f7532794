import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { sendDescriptors } from "../../src/linux/descriptor-passing.ts";
import { StreamSockets, WOULD_BLOCK } from "../../src/linux/stream-socket.ts";
import { SystemError } from "../../src/linux/system-error.ts";
import { connectUnix } from "../../src/linux/unix-socket.ts";

const PATIENCE_MS = 20_000;

/**
 * Says these bytes at a hot-plug socket, with descriptors that stay the caller's, and answers all that comes back until the other
 * side closes.
 */
export async function sayAt(
  path: string,
  bytes: readonly number[],
  fds: readonly number[] = [],
): Promise<number[]> {
  const fd = connectUnix(path);
  if (fd instanceof SystemError) throw fd;
  const sockets = StreamSockets.open();
  if (sockets instanceof SystemError) throw sockets;
  try {
    const request = Uint8Array.from(bytes);
    const sent = fds.length > 0 ? sendDescriptors(fd, request, fds) : sockets.send(fd, [request], 0, 0);
    if (sent !== bytes.length) throw new Error(`${sent} of ${bytes.length} bytes have left`);
    return await readAll(fd, sockets);
  } finally {
    closeSync(fd);
  }
}

async function readAll(fd: number, sockets: StreamSockets): Promise<number[]> {
  const answer: number[] = [];
  const room = new Uint8Array(512);
  for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; ) {
    const length = sockets.receive(fd, room);
    // Closed with bytes that nobody has read.
    if (length instanceof SystemError && length.code === "ECONNRESET") return answer;
    if (length instanceof SystemError) throw length;
    if (length === 0) return answer;
    if (length !== WOULD_BLOCK) answer.push(...room.subarray(0, length));
    // oxlint-disable-next-line no-await-in-loop -- looked at again
    else await sleep(2);
  }
  throw new Error("the hot-plug socket does not close");
}
