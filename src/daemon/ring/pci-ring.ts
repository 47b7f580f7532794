import type { Link } from "../../links/link.ts";
import type { RingLink } from "../../links/ring-link.ts";
import { RingGuest } from "../../ring/guest.ts";
import type { RingDevice } from "../../ring/guest-device.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import { RingMemory } from "../../ring/ring-memory.ts";
import type { Loop } from "../../usb/loop.ts";
import type { ProtocolError } from "../../wire/protocol-error.ts";
import { Failed } from "../failure.ts";
import { RingPump } from "./ring-pump.ts";

const ANSWER_MS = 10_000;
/** Whoever has listed devices often takes one next. */
const UNUSED_MS = 250;

/**
 * The guest in the memory that this virtual machine shares with its host, for all who want something of that host: each has a
 * stream, as over a connection. It lets go of the memory when nobody has one.
 */
export class PciRing {
  readonly #address: string;
  readonly #ring: RingLink;
  readonly #loop: Loop;
  readonly #guest: RingGuest;
  readonly #pump: RingPump;
  readonly #devices = new Map<number, RingDevice>();
  /** By the id of the device. */
  readonly #whenRemoved = new Map<number, () => void>();
  readonly #whenOver: (() => void)[] = [];
  #isOver = false;
  #began: () => void = () => {};
  #failed: (reason: string) => void = () => {};

  private constructor(ring: RingLink, loop: Loop) {
    this.#address = ring.peer;
    this.#ring = ring;
    this.#loop = loop;
    this.#guest = new RingGuest(new RingMemory(ring.memory.bytes.buffer), loop, {
      wake: () => {
        if (!this.#isOver) ring.wake();
      },
      sent: () => this.#pump.sent(),
      began: () => this.#began(),
      ended: (error) => this.#over(error === undefined ? "the host has left" : inWords(error)),
      idle: () => this.#closeIfUnused(),
      added: (device) => this.#devices.set(device.id, device),
      removed: ({ id }) => {
        this.#devices.delete(id);
        const removed = this.#whenRemoved.get(id);
        this.#whenRemoved.delete(id);
        removed?.();
      },
    });
    this.#pump = new RingPump(this.#guest, loop);
  }

  /** Waits until the host has answered; it has the memory from now on. */
  static async open(link: RingLink, loop: Loop): Promise<PciRing> {
    const ring = new PciRing(link, loop);
    await ring.#greet();
    return ring;
  }

  /** Nothing can be had of it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  whenOver(callback: () => void): void {
    if (this.#isOver) callback();
    else this.#whenOver.push(callback);
  }

  /** A link to the host. Throws Failed. */
  dial(): Link {
    const stream = this.#guest.dial(this.#address);
    if (stream !== undefined) return stream;
    throw new Failed(
      `${this.#address} takes no further connection: detach a device, or update the host if it is older than this guest.`,
    );
  }

  get figures(): RingFigures | undefined {
    return this.#guest.figures;
  }

  /** Data slots in use, and transfers that the host has not answered. */
  get inUse(): { readonly slots: number; readonly urbs: number } {
    return { slots: this.#guest.usedSlots, urbs: this.#guest.pendingUrbs };
  }

  /** The device that the host has given by this id. */
  device(id: number): RingDevice | undefined {
    return this.#devices.get(id);
  }

  /** Calls back when the host takes back the device that it has given by this id. */
  whenRemoved(id: number, removed: () => void): void {
    this.#whenRemoved.set(id, removed);
  }

  #greet(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#loop.after(ANSWER_MS, () =>
        this.#over(`nobody answers in the memory within ${ANSWER_MS / 1_000} s`),
      );
      this.#began = () => {
        timer.cancel();
        resolve();
        this.#closeIfUnused();
      };
      this.#failed = (reason) => {
        timer.cancel();
        reject(
          new Failed(
            `cannot reach ${this.#address}: ${reason}. Check that the host serves this memory: ` +
              "usbferry serve --listen ring:file:MEMORY,port=SOCKET",
          ),
        );
      };
      this.#ring.start(
        () => this.#pump.heard(),
        (cause) => this.#over(cause?.message ?? "nobody has the other end of what wakes them up"),
      );
      this.#guest.start();
      this.#pump.heard();
    });
  }

  #closeIfUnused(): void {
    this.#loop.after(UNUSED_MS, () => {
      if (!this.#guest.hasStreams) this.#over("nobody has use for it");
    });
  }

  #over(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pump.stop();
    this.#guest.stop(() => {
      this.#ring.destroy();
      this.#failed(reason);
      for (const callback of this.#whenOver) callback();
    });
  }
}

/** Printed for errors of the host that it told, and for what is wrong with the memory. */
function inWords({ code, message }: ProtocolError): string {
  return `${message} (${code})`;
}
