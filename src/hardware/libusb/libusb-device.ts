import type { OpenError } from "../../usb/device.ts";
import type { Cancellable, Loop } from "../../usb/loop.ts";
import { failedRefusal, nameOf } from "../device-refusal.ts";
import type { ClaimKeeper } from "../driver-claim.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { RealDevice } from "../real-device.ts";
import type { Carriage, SystemDevice } from "../system-device.ts";
import { DescriptorEvents } from "./descriptor-events.ts";
import { DeviceNode } from "./device-node.ts";
import type { EventHandling } from "./event-handling.ts";
import { FlyingTransfers } from "./flying-transfer.ts";
import { type Libusb, libusb } from "./library.ts";
import { LibusbCalls } from "./libusb-calls.ts";
import { pollDescriptors } from "./poll-descriptors.ts";
import { ThreadEvents } from "./thread-events.ts";

export interface LibusbOptions {
  /** Without one, drivers do not get back what a process that was killed had taken. */
  readonly claims?: ClaimKeeper;
  /** The system had no memory for a transfer. Told once for each time the device is open. */
  readonly warn?: (code: "LIBUSB_MEMORY", message: string) => void;
  /** Who lets libusb work. Default: the loop, where the system has descriptors for libusb, and else a thread. */
  readonly events?: "loop" | "thread";
}

/** Most bytes of one transfer: Linux copies each into memory of its own. */
const PART_BYTES = 1 << 20;

/** A real device, through libusb 1.0. Its loop has to be the event loop of the thread. */
export class LibusbDevice extends RealDevice<LibusbCalls> {
  readonly #options: LibusbOptions;

  constructor(hardware: HardwareDevice, options: LibusbOptions = {}) {
    super(hardware, options.claims);
    this.#options = options;
  }

  protected prepare(): SystemDevice<LibusbCalls> | OpenError {
    const library = libusb();
    if (library instanceof Error) return failedRefusal(this.hardware, library);
    return new OpenLibusb(this.hardware, library, this.#options.events);
  }

  protected noMemory(): void {
    this.#options.warn?.(
      "LIBUSB_MEMORY",
      `${nameOf(this.hardware)}: this machine has no more memory for transfers, so fewer are in flight, or some end as no memory.`,
    );
  }
}

/** A context of libusb with this device. */
class OpenLibusb implements SystemDevice<LibusbCalls> {
  readonly calls: LibusbCalls;
  readonly #libusb: Libusb;
  readonly #wish: LibusbOptions["events"];
  #table: FlyingTransfers | undefined;
  #events: EventHandling | undefined;

  constructor(hardware: HardwareDevice, library: Libusb, events: LibusbOptions["events"]) {
    this.#libusb = library;
    this.#wish = events;
    this.calls = new LibusbCalls(hardware, library, (done) => this.#letGo(done));
  }

  carry(noMemory: () => void): Carriage<LibusbCalls> {
    const { context, handle } = this.calls;
    const needsThread = this.#wish === "thread" || pollDescriptors(this.#libusb, context) === undefined;
    const events = new (needsThread ? ThreadEvents : DescriptorEvents)(this.#libusb, context);
    const node = new DeviceNode(this.#libusb, context);
    const table = new FlyingTransfers(this.#libusb, handle, events, node, noMemory);
    this.#events = events;
    this.#table = table;
    return { table, partBytes: PART_BYTES };
  }

  watch(loop: Loop, look: () => void): Cancellable {
    return this.#events!.watch(loop, look);
  }

  free(): void {}

  /** While the device is still open: libusb looks at it when it frees a transfer. */
  #letGo(done: () => void): void {
    if (this.#events === undefined) {
      done();
      return;
    }
    this.#events.stop(() => {
      this.#table!.close();
      done();
    });
  }
}
