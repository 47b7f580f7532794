import { knownExchange } from "../../capture/known-exchange.ts";
import { interfaceDescription, interfaceStatistics, sectionHeader } from "../../capture/pcapng.ts";
import type { CaptureRequest } from "../../capture/recorder.ts";
import { Speed } from "../../usb/speed.ts";
import { deviceDescription } from "../device-description.ts";
import { VERSION } from "../version.ts";
import { type CaptureSubject, type RunningCapture, timeOfDayUs } from "./capture-subject.ts";

const BITS_PER_SECOND: Readonly<Record<Speed, number>> = {
  [Speed.low]: 1_500_000,
  [Speed.full]: 12_000_000,
  [Speed.high]: 480_000_000,
  [Speed.super]: 5_000_000_000,
  [Speed.superPlus]: 10_000_000_000,
};

/** Which packets of a device are recorded, and how much of each. */
export type CaptureChoice = Pick<CaptureRequest, "snaplen" | "endpoints">;

/** A recording that goes on, as pcapng: `head` first, then what `read` gives, then `tail`. */
export class LiveCapture {
  readonly head: readonly Uint8Array[];
  readonly #subject: CaptureSubject;
  readonly #running: RunningCapture;
  readonly #startedUs = Math.floor(timeOfDayUs());
  #toldDropped = 0;

  constructor(subject: CaptureSubject, { snaplen, endpoints }: CaptureChoice) {
    const { busid, busnum, devnum, device } = subject;
    this.#subject = subject;
    const { vid, pid, speed } = deviceDescription(busid, { ...described(device), configuration: 0 });
    this.head = [
      sectionHeader(`usbferry ${VERSION}`),
      interfaceDescription({
        name: busid,
        description: `${vid ?? "????"}:${pid ?? "????"}, ${speed} speed`,
        bitsPerSecond: BITS_PER_SECOND[device.speed],
        snaplen,
      }),
      ...knownExchange(device, subject, this.#startedUs),
    ];
    this.#running = subject.record({ busnum, devnum, snaplen, endpoints });
  }

  get isOver(): boolean {
    return this.#subject.isGone;
  }

  /** What was recorded since it was asked last, and how much was lost if that is more than was told. */
  read(): Uint8Array[] {
    const pieces = this.#running.rings.flatMap((ring) => ring.read());
    return this.#dropped > this.#toldDropped ? [...pieces, this.#statistics()] : pieces;
  }

  /** Ends it: the rest, and how much it was. */
  stop(): Uint8Array[] {
    this.#running.stop();
    return [...this.#running.rings.flatMap((ring) => ring.read()), this.#statistics()];
  }

  get #dropped(): number {
    return this.#running.rings.reduce((sum, ring) => sum + ring.dropped, 0);
  }

  #statistics(): Uint8Array {
    this.#toldDropped = this.#dropped;
    const kept = this.#running.rings.reduce((sum, ring) => sum + ring.kept, 0);
    return interfaceStatistics({
      startedUs: this.#startedUs,
      endedUs: Math.floor(timeOfDayUs()),
      received: kept + this.#toldDropped,
      dropped: this.#toldDropped,
    });
  }
}

/** A device has its properties as getters, which a copy would leave behind. */
function described({ speed, descriptors }: CaptureSubject["device"]): CaptureSubject["device"] {
  return { speed, descriptors };
}
