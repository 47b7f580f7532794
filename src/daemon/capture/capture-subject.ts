import { PacketRing } from "../../capture/packet-ring.ts";
import { type CaptureRequest, Recorder } from "../../capture/recorder.ts";
import type { Tap } from "../../capture/tap.ts";
import type { UsbDevice } from "../../usb/device.ts";
import type { SharedDevice } from "../export-table.ts";

/** What waits for its reader, of each loop that a device lives on. */
const RING_BYTES = 8 << 20;

/** A recording that goes on. */
export interface RunningCapture {
  /** One for each loop that the device lives on. */
  readonly rings: readonly PacketRing[];
  stop(): void;
}

/** A device that can be recorded. */
export interface CaptureSubject {
  readonly busid: string;
  readonly busnum: number;
  readonly devnum: number;
  readonly device: Pick<UsbDevice, "speed" | "descriptors">;
  /** Nobody can have it any more. */
  readonly isGone: boolean;
  record(request: CaptureRequest): RunningCapture;
}

/** Ids of URBs on either thread differ: a gadget has one of them on each. */
const HERE = 1;
export const THERE = 2;

export function newRing(): PacketRing {
  return new PacketRing(RING_BYTES);
}

/** Records a device of this thread. */
export function recordHere(tap: Tap, request: CaptureRequest): RunningCapture {
  const ring = newRing();
  return { rings: [ring], stop: tap.record(new Recorder(ring, request, HERE, timeOfDayUs)) };
}

/** A device that a host shares. */
export function sharedSubject(shared: SharedDevice, isGone: () => boolean): CaptureSubject {
  const { busid, busnum, devnum, device } = shared;
  return {
    busid,
    busnum,
    devnum,
    device,
    get isGone() {
      return isGone();
    },
    record: (request) => ("open" in device ? recordHere(device, request) : device.record(request)),
  };
}

/** Steps with the monotonic clock: two packets keep their distance when somebody sets the time. */
export function timeOfDayUs(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}
