import type { Link } from "../../links/link.ts";
import type { RingDevice } from "../../ring/guest-device.ts";
import type { RingFigures } from "../../ring/ring-figures.ts";
import type { Loop } from "../../usb/loop.ts";
import type { DeviceRecordValue } from "../../usbip/pdu.ts";
import type { RemoteDevice } from "../remote-host.ts";
import type { SessionEnd } from "../session-end.ts";
import { recordOf } from "./device-record.ts";
import type { PciRing } from "./pci-ring.ts";
import { HOST_LEFT, RELEASE_MS } from "./ring-remote.ts";

/** One of the devices that came through memory of a virtual machine, for as long as the stream is there by which it was asked for. */
export class MemberRemote implements RemoteDevice {
  readonly peer: string;
  readonly ended: Promise<SessionEnd>;
  readonly #busid: string;
  readonly #device: RingDevice;
  readonly #ring: PciRing;
  readonly #link: Link;
  readonly #loop: Loop;
  #end: SessionEnd | undefined;

  /** `linkEnded`: the stream is over. */
  constructor(
    busid: string,
    device: RingDevice,
    ring: PciRing,
    link: Link,
    loop: Loop,
    linkEnded: Promise<void>,
  ) {
    this.#ring = ring;
    this.peer = link.peer;
    this.#busid = busid;
    this.#device = device;
    this.#link = link;
    this.#loop = loop;
    this.ended = linkEnded.then(() => this.#end ?? HOST_LEFT);
  }

  get ring(): RingFigures | undefined {
    return this.#ring.figures;
  }

  get record(): DeviceRecordValue {
    return recordOf(this.#busid, this.#device);
  }

  close(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    // The host has it back before its stream ends.
    const late = this.#loop.after(RELEASE_MS, () => this.#link.destroy());
    this.#device.release(() => {
      late.cancel();
      this.#link.destroy();
    });
  }
}
