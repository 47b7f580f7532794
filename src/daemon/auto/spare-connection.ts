import { dial } from "../../links/dial.ts";
import type { Link } from "../../links/link.ts";
import type { LinkAddress } from "../../links/listen.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";

/** Less than a host puts up with a guest that says nothing. A board is back within five seconds. */
const KEPT_MS = 8_000;

/** A connection that is made ahead, while a device is away for a moment. */
export class SpareConnection {
  readonly #place: LinkAddress;
  readonly #loop: Loop;
  #spare: { readonly dialled: Promise<Link | undefined>; readonly end: Cancellable } | undefined;

  constructor(place: LinkAddress, loop: Loop) {
    this.#place = place;
    this.#loop = loop;
  }

  /** A host that cannot be dialled is none that could be asked. */
  prepare(): void {
    this.drop();
    const dialled = dial(this.#place).catch(() => undefined);
    this.#spare = { dialled, end: this.#loop.after(KEPT_MS, () => this.drop()) };
  }

  drop(): void {
    const spare = this.#spare;
    this.#spare = undefined;
    spare?.end.cancel();
    void spare?.dialled.then((link) => link?.destroy());
  }

  /** That one, or a new one. Rejects with a LinkError. */
  async take(): Promise<Link> {
    const spare = this.#spare;
    this.#spare = undefined;
    spare?.end.cancel();
    return (await spare?.dialled) ?? (await dial(this.#place));
  }
}
