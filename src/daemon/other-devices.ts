import type { Loop } from "../usb/loop.ts";

/** Behind a bus id there may be another device some time later. */
const ASK_AGAIN_MS = 10_000;
/** More than any host offers; a peer that makes names up cannot make us grow. */
const DEVICES = 4096;

/**
 * Remembers for a while which devices of dialling hosts were asked and are not the one that is waited for: so the
 * next connection goes to the next device, and a host that has none of them is left to its back-off.
 */
export class OtherDevices {
  readonly #loop: Loop;
  /** When each was asked, oldest first. */
  readonly #askedMs = new Map<string, number>();

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  has(peer: string, busid: string): boolean {
    const askedMs = this.#askedMs.get(nameOf(peer, busid));
    return askedMs !== undefined && this.#loop.now() - askedMs < ASK_AGAIN_MS;
  }

  add(peer: string, busid: string): void {
    const name = nameOf(peer, busid);
    this.#askedMs.delete(name);
    this.#askedMs.set(name, this.#loop.now());
    if (this.#askedMs.size > DEVICES) this.#askedMs.delete(this.#askedMs.keys().next().value!);
  }
}

/** A host dials from another port each time. */
function nameOf(peer: string, busid: string): string {
  return `${peer.replace(/:\d+$/, "")} ${busid}`;
}
