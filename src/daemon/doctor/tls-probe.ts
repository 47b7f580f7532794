import { connect } from "node:tls";
import type { TcpAddress } from "../../links/address.ts";

const PROBE_MS = 1_000;

/** Whether a server speaks TLS: it goes through a handshake, or refuses one in the words of TLS. */
export function speaksTls({ host, port }: TcpAddress): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is sent and nothing believed: the certificate does not matter.
    const socket = connect({ host, port, rejectUnauthorized: false });
    const finish = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(false), PROBE_MS);
    socket.on("secureConnect", () => finish(true));
    socket.on("error", ({ code = "" }: NodeJS.ErrnoException) => finish(code.includes("_ALERT_")));
  });
}
