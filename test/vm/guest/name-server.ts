import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

let server: Socket | undefined;

/** QR, recursion wanted and there, NXDOMAIN (RFC 1035 §4.1.1) */
const NO_SUCH_NAME = 0x8183;

/** Answers every question with "there is no such name". */
export async function startNameServer(): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (question, { port, address }) => {
    const answer = Buffer.from(question);
    answer.writeUInt16BE(NO_SUCH_NAME, 2);
    socket.send(answer, port, address);
  });
  socket.bind(53, "127.0.0.1");
  await once(socket, "listening");
  server = socket;
}

export function stopNameServer(): void {
  server?.close();
}
