import type { Link } from "../../links/link.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";

/** Less than a host puts up with a guest that says nothing. A board is back within five seconds. */
const KEPT_MS = 8_000;

/** A connection that is made ahead, while a device is away for a moment. */
export class SpareConnection {
  readonly #dial: () => Promise<Link>;
  readonly #loop: Loop;
  #spare: { readonly dialled: Promise<Link | undefined>; readonly end: Cancellable } | undefined;

  /** `dial` rejects with a LinkError. */
  constructor(dial: () => Promise<Link>, loop: Loop) {
    this.#dial = dial;
    this.#loop = loop;
  }

  /** A host that cannot be dialled is none that could be asked. */
  prepare(): void {
    this.drop();
    const dialled = this.#dial().catch(() => undefined);
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
    return (await spare?.dialled) ?? (await this.#dial());
  }
}
