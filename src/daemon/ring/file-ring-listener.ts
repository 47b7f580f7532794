import { type FileRingAddress, printAddress } from "../../links/address.ts";
import { listenFileRing, mapMemoryFile } from "../../links/file-ring.ts";
import type { Link } from "../../links/link.ts";
import { LinkError } from "../../links/link-error.ts";
import type { Listener } from "../../links/listener.ts";
import { RingLink } from "../../links/ring-link.ts";
import { RingHost } from "../../ring/host.ts";
import { type Layout, planLayout } from "../../ring/layout.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import type { RingStream } from "../../ring/streams.ts";
import type { Loop } from "../../usb/loop.ts";
import type { Log } from "../log.ts";
import { RingPump } from "./ring-pump.ts";

/** A link that came through a ring in which its devices are to be shared, too. */
export type AcceptMember = (link: RingStream, ring: RingHost) => void;

/**
 * The memory of a virtual machine, and what both wake each other by. As long as that is there this is the host of a ring,
 * whose guest opens streams in it, as others open connections: to see the devices, and for each device that it has.
 */
export class FileRingListener implements Listener {
  readonly address: FileRingAddress;
  readonly #accept: AcceptMember;
  readonly #loop: Loop;
  readonly #log: Log;
  #seeking: Listener | undefined;
  #isClosed = false;
  /** What there is while somebody may be there. */
  #ring: { readonly host: RingHost; readonly finish: () => void } | undefined;

  private constructor(address: FileRingAddress, accept: AcceptMember, loop: Loop, log: Log) {
    this.address = address;
    this.#accept = accept;
    this.#loop = loop;
    this.#log = log;
  }

  /** Rejects with a LinkError; memory that is not there yet is waited for. */
  static async listen(
    address: FileRingAddress,
    accept: AcceptMember,
    loop: Loop,
    log: Log,
  ): Promise<FileRingListener> {
    const mapped = mapMemoryFile(address);
    if (!(mapped instanceof LinkError)) mapped.release();
    else if (mapped.code !== "ENOENT") throw mapped;
    const listener = new FileRingListener(address, accept, loop, log);
    listener.#seeking = await listenFileRing(
      address,
      (link) => listener.#use(link),
      (error) => listener.#tell(error.code, error.message),
    );
    return listener;
  }

  /** What has come through the memory lives on, and the memory with it. */
  close(): void {
    this.#isClosed = true;
    this.#seeking?.close();
    this.#finishIfUnused();
  }

  /** Resolves when the link is over, and every device that was had by it is free. */
  #use(link: Link): Promise<void> {
    const mapped = this.#isClosed ? undefined : mapMemoryFile(this.address);
    if (mapped === undefined || mapped instanceof LinkError) {
      if (mapped !== undefined) this.#tell(mapped.code, mapped.message);
      link.destroy();
      return Promise.resolve();
    }
    const ring = new RingLink(link.peer, mapped.memory, link, () => mapped.release());
    const { bytes } = mapped.memory;
    return new Promise((resolve) => {
      const host = this.#engine(new RingMemory(bytes.buffer), bytes.length, ring, () => pump.sent());
      const pump = new RingPump(host, this.#loop);
      const finish = (): void => {
        this.#ring = undefined;
        host.stop(() => {
          pump.stop();
          ring.destroy();
          resolve();
        });
      };
      this.#ring = { host, finish };
      ring.start(
        () => pump.heard(),
        () => this.#ring?.finish(),
      );
      host.start();
      pump.heard();
    });
  }

  #engine(memory: RingMemory, total: number, ring: RingLink, sent: () => void): RingHost {
    const host: RingHost = new RingHost(memory, this.#loop, planLayout({ total }) as Layout, {
      streams: {
        peer: printAddress(this.address),
        accepted: (stream) => {
          if (this.#isClosed) stream.destroy();
          else this.#accept(stream, host);
        },
      },
      idle: () => {
        // Behind the end of each.
        if (this.#isClosed) this.#loop.soon(() => this.#finishIfUnused());
      },
      wake: () => ring.wake(),
      sent,
      began: () => {},
      ended: (error) => {
        if (error !== undefined) this.#tell(error.code, error.message);
      },
    });
    return host;
  }

  #finishIfUnused(): void {
    if (this.#ring?.host.hasStreams === false) this.#ring.finish();
  }

  #tell(code: string, reason: string): void {
    const peer = printAddress(this.address);
    this.#log.warn({ code, peer }, `${code} ${peer}: ${reason}`);
  }
}
