import type { ListenOptions, Server } from "node:net";
import { type Endpoint, printAddress } from "./address.ts";
import type { Link } from "./link.ts";
import { linkError } from "./link-error.ts";

/** A place where links arrive. */
export interface Listener {
  /** Where it listens; a port 0 has become the one that the system chose. */
  readonly address: Endpoint;
  /** No link arrives after this. Those that did live on. */
  close(): void;
}

/** Called for each arriving link, which reads nothing before it is started. */
export type Accept = (link: Link) => void;

/** A socket that listens already. */
export interface ListeningSocket {
  readonly fd: number;
}

/** Waits until the server listens; rejects with a LinkError about `address`. */
export function untilListening(
  server: Server,
  options: ListenOptions | ListeningSocket,
  address: Endpoint,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) => reject(linkError("listen", printAddress(address), cause));
    server.once("error", failed);
    server.listen(options, () => {
      server.off("error", failed);
      // An accept that fails (out of descriptors, say) closes that connection; the listener goes on.
      server.on("error", () => {});
      resolve();
    });
  });
}
