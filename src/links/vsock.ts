import { closeSync } from "node:fs";
import { watch } from "../linux/descriptor-watch.ts";
import { SystemError } from "../linux/system-error.ts";
import {
  type ArrivedVsock,
  acceptVsock,
  connectError,
  connectVsock,
  listenVsock as listenAt,
  VMADDR_CID_ANY,
  VMADDR_CID_HOST,
  VMADDR_CID_LOCAL,
  vsockName,
} from "../linux/vsock.ts";
import { printAddress, type VsockAddress } from "./address.ts";
import type { Link, LinkLimits, LinkTraits } from "./link.ts";
import { linkError } from "./link-error.ts";
import type { Accept, Listener } from "./listener.ts";
import { MovableLink } from "./movable-link.ts";
import { adopt } from "./stream-handle.ts";

/** Connections that are taken before others have their turn. */
const ACCEPTS_IN_A_ROW = 64;

/**
 * Linux gives a packet of more than 32 KiB, with its head, to the monitor of its virtual machine in several pieces (since 6.17
 * "vsock/virtio: Allocate nonlinear SKBs for handling large transmit buffers", and in the stable kernels). Of those
 * Firecracker, older Cloud Hypervisors and vhost-device-vsock 0.3 lose all but the first. A write makes packets of its own.
 */
const TRAITS: LinkTraits = { writeBytes: 32_000 };

/** The system is out of descriptors or memory; the connections wait. */
const AGAIN_MS = 100;

/**
 * Listens to every virtual machine, or with a context id to that one alone: others are sent away without a word. There
 * is no keep-alive: the system, or the hypervisor, resets a connection whose other end is gone. `handed`: a socket that
 * listens there already, and does not block.
 */
export function listenVsock(address: VsockAddress, accept: Accept, handed?: number): Promise<Listener> {
  const cid = address.cid === VMADDR_CID_LOCAL ? VMADDR_CID_LOCAL : VMADDR_CID_ANY;
  const fd = handed ?? listenAt({ cid, port: address.port });
  if (fd instanceof SystemError) return Promise.reject(linkError("listen", printAddress(address), fd));
  const bound = vsockName(fd);
  const port = bound instanceof SystemError ? address.port : bound.port;
  const listener = new VsockListener(fd, { ...address, port }, accept);
  const refused = listener.start();
  if (refused === undefined) return Promise.resolve(listener);
  listener.close();
  return Promise.reject(linkError("listen", printAddress(address), refused));
}

class VsockListener implements Listener {
  readonly address: VsockAddress;
  readonly #fd: number;
  readonly #accept: Accept;
  /** The watch, or the wait for the next one. */
  #end: () => void = () => {};
  #closed = false;

  constructor(fd: number, address: VsockAddress, accept: Accept) {
    this.#fd = fd;
    this.address = address;
    this.#accept = accept;
  }

  start(): SystemError | undefined {
    const watching = watch(this.#fd, "readable", () => this.#acceptSome());
    if (watching instanceof SystemError) return watching;
    this.#end = () => watching.cancel();
    return undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end();
    closeSync(this.#fd);
  }

  #acceptSome(): void {
    for (let accepted = 0; accepted < ACCEPTS_IN_A_ROW && !this.#closed; accepted++) {
      const arrived = acceptVsock(this.#fd);
      if (arrived === undefined) return;
      if (arrived instanceof SystemError) {
        this.#pause();
        return;
      }
      this.#welcome(arrived);
    }
  }

  #welcome({ fd, peer }: ArrivedVsock): void {
    const { cid } = this.address;
    if (cid !== undefined && cid !== peer.cid) {
      closeSync(fd);
      return;
    }
    const name = printAddress({ kind: "vsock", cid: peer.cid, port: peer.port });
    this.#accept(new MovableLink(name, (onread) => adopt(fd, onread), TRAITS));
  }

  /** The descriptor stays readable: it is left alone for a while. */
  #pause(): void {
    this.#end();
    const timer = setTimeout(() => void this.start(), AGAIN_MS);
    this.#end = () => clearTimeout(timer);
  }
}

/** Connects; without a context id to the machine that this one runs on. */
export async function dialVsock(address: VsockAddress, limits: LinkLimits): Promise<Link> {
  const name = { kind: "vsock", cid: address.cid ?? VMADDR_CID_HOST, port: address.port } as const;
  const fd = connectVsock(name, limits.dialMs);
  if (fd instanceof SystemError) throw linkError("dial", printAddress(name), fd);
  const failed = (await untilWritable(fd, limits.dialMs)) ?? connectError(fd);
  if (failed !== undefined) {
    closeSync(fd);
    throw linkError("dial", printAddress(name), failed);
  }
  return new MovableLink(printAddress(name), (onread) => adopt(fd, onread), TRAITS);
}

const ETIMEDOUT = 110;

function untilWritable(fd: number, timeoutMs: number): Promise<SystemError | undefined> {
  return new Promise((resolve) => {
    const done = (failed?: SystemError): void => {
      clearTimeout(timer);
      if (!(watching instanceof SystemError)) watching.cancel();
      resolve(failed);
    };
    const timer = setTimeout(() => done(new SystemError("connect", ETIMEDOUT)), timeoutMs);
    const watching = watch(fd, "writable", () => done());
    if (watching instanceof SystemError) done(watching);
  });
}
