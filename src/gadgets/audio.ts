import type { Change } from "../usb/chapter9.ts";
import { Speed } from "../usb/speed.ts";
import { isIn, TransferStatus, type Urb } from "../usb/urb.ts";
import { audioConfigurations, CAPTURE_INTERFACE, FRAME_BYTES } from "./audio-descriptors.ts";
import { ByteQueue } from "./byte-queue.ts";
import { Gadget } from "./gadget.ts";
import { type GadgetIdentity, MANUFACTURER, RELEASE } from "./identity.ts";

/** Ten seconds: far beyond any buffer of a sound driver. */
const QUEUE_BYTES = 10 * 48_000 * FRAME_BYTES;

/**
 * A sound card (USB Audio 1.0) whose output is plugged into its input: 48 kHz, 16 bits, stereo.
 *
 * While the guest captures, every sample it plays comes back once and in order. Where nothing is there to
 * capture, packets are short or empty; silence is never made up. While nobody captures, what is played goes
 * nowhere. A playback packet that would exceed ten seconds of delay is not taken, and its length says so.
 */
export class Audio extends Gadget {
  readonly #queue = new ByteQueue();

  constructor(options: GadgetIdentity = {}) {
    super(
      {
        vendorId: options.vendorId ?? 0x1209,
        productId: options.productId ?? 0x0001,
        release: RELEASE,
        deviceClass: 0,
        manufacturer: MANUFACTURER,
        product: "Audio Loopback",
        serial: options.serial ?? "",
        strings: [],
        configurations: audioConfigurations,
      },
      options.speed ?? Speed.high,
    );
  }

  /** There is no bulk or interrupt endpoint. */
  protected override transfer(_urb: Urb): TransferStatus {
    return TransferStatus.invalid;
  }

  protected override packet(urb: Urb, at: number, length: number): number {
    if (isIn(urb.endpoint)) return this.#queue.take(urb, at, length - (length % FRAME_BYTES));
    if (!this.#isCaptured) return length;
    if (this.#queue.length + length > QUEUE_BYTES) return 0;
    this.#queue.push(urb.buffer.subarray(at, at + length));
    return length;
  }

  protected override changed(change: Change): void {
    if (change.what !== "halt" && !this.#isCaptured) this.#queue.clear();
  }

  get #isCaptured(): boolean {
    return this.endpoints.alternate(CAPTURE_INTERFACE) === 1;
  }
}
