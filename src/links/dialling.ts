import type { Socket } from "node:net";
import { type Endpoint, printAddress } from "./address.ts";
import { linkError } from "./link-error.ts";

/** Waits until the socket is connected; otherwise destroys it and rejects with a LinkError about `address`. */
export function untilConnected(socket: Socket, address: Endpoint, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      socket.destroy();
      reject(linkError("dial", printAddress(address), cause));
    };
    const timer = setTimeout(() => {
      failed(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: "ETIMEDOUT" }));
    }, timeoutMs);
    socket.once("error", failed);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", failed);
      resolve();
    });
  });
}
