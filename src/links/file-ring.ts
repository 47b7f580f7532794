import { constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type FileRingAddress, printAddress } from "./address.ts";
import { LINK_LIMITS, type Link, type LinkLimits } from "./link.ts";
import { LinkError, linkError } from "./link-error.ts";
import { listen } from "./listen.ts";
import type { Accept, Listener } from "./listener.ts";
import { dialUnix } from "./unix.ts";
import { mapWholeFile, type WholeFile } from "./whole-file.ts";

/** Uses a link for as long as it is there; resolves when it is over. */
export type UseLink = (link: Link) => Promise<void>;

/** A virtual machine that is not there is looked for this often. */
const LOOK_MS = 500;

/** What the monitor of a virtual machine makes when it starts. */
const NOT_YET: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED", "EAGAIN", "ECONNRESET"]);

/** Maps the file that is the memory of a virtual machine's ivshmem device. Whoever may cut it can end this process. */
export function mapMemoryFile(address: FileRingAddress): WholeFile | LinkError {
  const subject = printAddress(address);
  try {
    return mapWholeFile(openSync(address.path, constants.O_RDWR), subject);
  } catch (error) {
    return linkError("dial", subject, error as NodeJS.ErrnoException);
  }
}

/**
 * Waits for what wakes a virtual machine, and wakes its host: for its monitor to have the socket of a port, or for the guest to
 * dial. `accept` uses one link until it resolves; a guest that dials again takes the place of its former link. Rejects
 * with a LinkError.
 */
export async function listenFileRing(
  address: FileRingAddress,
  accept: UseLink,
  failed: (error: LinkError) => void,
  limits: LinkLimits = LINK_LIMITS,
): Promise<Listener> {
  const { waking } = address;
  if ("port" in waking) return new PortSeeker(address, waking.port, accept, failed, limits);
  let used = Promise.resolve();
  let last: Link | undefined;
  const take: Accept = (link) => {
    last?.destroy();
    last = link;
    used = used.then(() => accept(link));
  };
  const listener = await listen(waking.wake, take, { limits });
  return { address, close: () => listener.close() };
}

/** Dials the socket of a virtio-serial port whenever it can, for as long as it is wanted. */
class PortSeeker implements Listener {
  readonly address: FileRingAddress;
  readonly #path: string;
  readonly #accept: UseLink;
  readonly #failed: (error: LinkError) => void;
  readonly #limits: LinkLimits;
  readonly #ending = new AbortController();

  constructor(
    address: FileRingAddress,
    path: string,
    accept: UseLink,
    failed: (error: LinkError) => void,
    limits: LinkLimits,
  ) {
    this.address = address;
    this.#path = path;
    this.#accept = accept;
    this.#failed = failed;
    this.#limits = limits;
    void this.#seek();
  }

  close(): void {
    this.#ending.abort();
  }

  async #seek(): Promise<void> {
    const { signal } = this.#ending;
    let told = "";
    while (!signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one link after the other
        const link = await dialUnix(
          { kind: "unix", path: this.#path },
          this.#limits,
          printAddress(this.address),
        );
        told = "";
        if (signal.aborted) link.destroy();
        // oxlint-disable-next-line no-await-in-loop
        else await this.#accept(link);
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        if (!NOT_YET.has(error.code) && error.code !== told) this.#failed(error);
        told = error.code;
      }
      // oxlint-disable-next-line no-await-in-loop
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  }
}
