import { SystemError } from "../../linux/system-error.ts";
import { EVENTS_LOST, SILENCE, UeventSocket } from "../../linux/uevent-socket.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import type { DeviceWatch, WatchListener } from "../device-watch.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import type { SystemRoots } from "./enumeration.ts";
import { HardwareTable } from "./hardware-table.ts";

/** How long the first look waits for a device whose lock is held; it comes later then, as one that is plugged in. */
const FIRST_LOOK_MS = 3_000;
/** The same for whoever asks. */
const LOOK_MS = 1_000;

/** Follows the devices of this machine by the events of its kernel. */
export class HardwareWatch implements DeviceWatch {
  readonly arrivals = "events";
  readonly #socket: UeventSocket;
  readonly #table: HardwareTable;
  readonly #loop: Loop;
  readonly #listener: WatchListener;
  #watching: Cancellable | undefined;

  private constructor(socket: UeventSocket, table: HardwareTable, loop: Loop, listener: WatchListener) {
    this.#socket = socket;
    this.#table = table;
    this.#loop = loop;
    this.#listener = listener;
    this.#watching = loop.watch(socket.fd, "readable", () => this.#hear());
  }

  /** Resolves when the devices that are there have been told as plugged in. */
  static async start(
    roots: SystemRoots,
    loop: Loop,
    listener: WatchListener,
  ): Promise<HardwareWatch | SystemError> {
    // Before the first look: what happens during it must not be missed.
    const socket = UeventSocket.open();
    if (socket instanceof SystemError) return socket;
    const table = new HardwareTable(roots, loop, listener);
    const watching = new HardwareWatch(socket, table, loop, listener);
    await watching.#lookFor(FIRST_LOOK_MS);
    return watching;
  }

  get devices(): readonly HardwareDevice[] {
    return this.#table.devices;
  }

  /** Looks at every device once more: the kernel does not tell that a program has taken one through usbfs, or let it go. */
  look(): Promise<void> {
    return this.#lookFor(LOOK_MS);
  }

  close(): void {
    this.#table.close();
    if (this.#watching === undefined) return;
    this.#watching.cancel();
    this.#watching = undefined;
    this.#socket.close();
  }

  /** What takes longer is told when it is known. */
  async #lookFor(mostMs: number): Promise<void> {
    let timer: Cancellable | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#loop.after(mostMs, resolve);
    });
    await Promise.race([this.#table.lookAtAll(), limit]);
    timer?.cancel();
  }

  #hear(): void {
    for (;;) {
      const heard = this.#socket.hear();
      if (heard === SILENCE) return;
      if (heard === EVENTS_LOST) this.#table.lost();
      else if (heard instanceof SystemError) {
        this.close();
        this.#listener.deaf(heard);
        return;
      } else this.#table.hear(heard);
    }
  }
}
