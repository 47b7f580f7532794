import type { OpenError } from "../../src/usb/device.ts";
import type { SessionTrace } from "../../src/usb/urb-trace.ts";
import type { ProtocolError } from "../../src/wire/protocol-error.ts";
import { WslusbHost } from "../../src/wslusb/host.ts";
import { WSLUSB_LIMITS, type WslusbLimits } from "../../src/wslusb/limits.ts";
import type { AttachedHandle, Claim, DeviceEnd, OfferedDevice } from "../../src/wslusb/offered-device.ts";
import { HeldDevice } from "./held-device.ts";
import { ManualLoop } from "./manual-loop.ts";
import { attach, CLIENT_HELLO, framesOf, type SeenFrame } from "./wslusb-wire.ts";

/** A host engine with held devices behind it and the wire in the test's hands. */
export class HostedWire {
  readonly loop = new ManualLoop();
  readonly host: WslusbHost;
  readonly devices: readonly HeldDevice[];
  /** Frames since the last look. */
  #frames: SeenFrame[] = [];
  /** Everything that was written. */
  readonly written: Uint8Array[] = [];
  ended: ProtocolError | undefined;
  readonly handles: AttachedHandle[] = [];
  readonly ends: DeviceEnd[] = [];
  readonly refused: OpenError[] = [];
  trace: SessionTrace | undefined;
  /** The link takes nothing. */
  isStuck = false;
  readonly #waiting: (() => void)[] = [];
  readonly #taken = new Set<HeldDevice>();

  constructor(limits: WslusbLimits = WSLUSB_LIMITS, devices: readonly HeldDevice[] = [new HeldDevice()]) {
    this.devices = devices;
    this.host = new WslusbHost(
      { devices: () => devices.map((_, index) => this.offered(index)), claim: (busid) => this.#claim(busid) },
      this.loop,
      {
        write: (chunks, written) => {
          const bytes = Uint8Array.from(Buffer.concat(chunks));
          this.written.push(bytes);
          this.#frames.push(...framesOf(bytes));
          if (this.isStuck) this.#waiting.push(written);
          else this.loop.soon(written);
        },
        end: (error) => {
          this.ended = error;
        },
      },
      limits,
    );
  }

  /** `1-1`, `1-2` and so on. */
  offered(index: number): OfferedDevice {
    const device = this.devices[index]!;
    const attached = this.#taken.has(device);
    return { busid: `1-${index + 1}`, description: "held", serial: "S1", device, attached };
  }

  receive(...frames: readonly Uint8Array[]): void {
    this.host.receive(Buffer.concat(frames));
    this.loop.settle();
  }

  /** The link takes what waits. */
  unstick(): void {
    this.isStuck = false;
    for (const written of this.#waiting.splice(0)) written();
    this.loop.settle();
  }

  /** Hello, and device 1 attached. */
  attached(): this {
    this.receive(CLIENT_HELLO, attach(1, "1-1"));
    this.seen();
    return this;
  }

  /** Frames since the last look. */
  seen(): SeenFrame[] {
    return this.#frames.splice(0);
  }

  #claim(busid: string): Claim | OpenError {
    const device = this.devices.find((_, index) => busid === `1-${index + 1}`);
    if (device === undefined) return { reason: "gone", message: "no device has this bus id" };
    if (this.#taken.has(device)) return { reason: "busy", message: "it is in use" };
    this.#taken.add(device);
    return {
      device,
      configured: () => this.host.offersChanged(),
      attached: (handle) => {
        this.handles.push(handle);
        return this.trace;
      },
      refused: (error) => {
        this.#taken.delete(device);
        this.refused.push(error);
      },
      closed: (end) => {
        this.#taken.delete(device);
        this.ends.push(end);
      },
    };
  }
}
