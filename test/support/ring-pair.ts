import assert from "node:assert/strict";
import { RingGuest } from "../../src/ring/guest.ts";
import type { RingDevice } from "../../src/ring/guest-device.ts";
import { RingHost } from "../../src/ring/host.ts";
import { type Layout, type LayoutPlan, planLayout } from "../../src/ring/layout.ts";
import { RING_LIMITS, type RingLimits } from "../../src/ring/limits.ts";
import { RingMemory } from "../../src/ring/ring-memory.ts";
import type { DeviceEnd, GuestOutput, HostOutput, Share } from "../../src/ring/sides.ts";
import type { OpenError, UsbDevice } from "../../src/usb/device.ts";
import type { SessionTrace } from "../../src/usb/urb-trace.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import type { ManualLoop } from "./manual-loop.ts";

/** More polls without an end are a side that is busy with nothing. */
const POLLS_MAX = 100_000;

export interface RingPairOptions extends LayoutPlan {
  readonly limits?: Partial<RingLimits>;
  /** Default: as large as the layout needs. */
  readonly memory?: RingMemory;
  /** Of the first life of either side. */
  readonly hostOutput?: Partial<HostOutput>;
  readonly guestOutput?: Partial<GuestOutput>;
}

/** Both engines of the ring on one loop, over memory of their own; each is polled when the other one rings. */
export class RingPair {
  readonly loop: ManualLoop;
  readonly layout: Layout;
  readonly memory: RingMemory;
  readonly limits: RingLimits;
  host: RingHost;
  guest: RingGuest;
  /** The devices that the guest has. */
  readonly devices: RingDevice[] = [];
  /** [device id, reason] of those that it had. */
  readonly removed: [number, number][] = [];
  readonly trips: [number, boolean, number][] = [];
  /** How sessions ended; an empty string is an end in good order. */
  readonly hostEnds: string[] = [];
  readonly guestEnds: string[] = [];
  readonly orphaned: [side: string, isSilent: boolean][] = [];
  /** How shares ended: `attached`, an end, or the message of a refusal. */
  readonly shareEvents: string[] = [];
  /** A side that is dead is not polled. */
  isHostDead = false;
  isGuestDead = false;
  /** True: the test polls. */
  isManual = false;
  #isDue = false;

  constructor(loop: ManualLoop, options: RingPairOptions = {}) {
    const layout = planLayout({ total: 4 << 20, ringData: 64 << 10, slotSize: 4 << 10, ...options });
    assert(!(layout instanceof ProtocolError));
    this.loop = loop;
    this.layout = layout;
    this.limits = { ...RING_LIMITS, ...options.limits };
    this.memory = options.memory ?? new RingMemory(new SharedArrayBuffer(layout.total));
    this.host = this.newHost(loop, options.hostOutput);
    this.guest = this.newGuest(loop, options.guestOutput);
  }

  /** Another life of the host; one that is dead has a loop of its own, which stands still from then on. */
  newHost(loop: ManualLoop = this.loop, output: Partial<HostOutput> = {}): RingHost {
    return new RingHost(
      this.memory,
      loop,
      this.layout,
      {
        wake: () => this.pump(),
        began: () => {},
        ended: (error) => this.hostEnds.push(error?.toString() ?? ""),
        orphaned: (isSilent) => this.orphaned.push(["host", isSilent]),
        ...output,
      },
      this.limits,
    );
  }

  newGuest(loop: ManualLoop = this.loop, output: Partial<GuestOutput> = {}): RingGuest {
    return new RingGuest(
      this.memory,
      loop,
      {
        wake: () => this.pump(),
        began: () => {},
        ended: (error) => this.guestEnds.push(error?.toString() ?? ""),
        orphaned: (isSilent) => this.orphaned.push(["guest", isSilent]),
        added: (device) => this.devices.push(device),
        removed: (device, reason) => {
          this.devices.splice(this.devices.indexOf(device), 1);
          this.removed.push([device.id, reason]);
        },
        tripped: (device, isTripped, reason) => this.trips.push([device.id, isTripped, reason]),
        ...output,
      },
      this.limits,
    );
  }

  start(): void {
    this.host.start();
    this.guest.start();
    this.settle();
  }

  /** A share whose events are written down. */
  shareOf(device: UsbDevice, takesSharedData = false, trace?: SessionTrace): Share {
    return {
      device,
      takesSharedData,
      attached: () => {
        this.shareEvents.push("attached");
        return trace;
      },
      refused: (error: OpenError) => this.shareEvents.push(error.message),
      closed: (end: DeviceEnd) => this.shareEvents.push(end),
    };
  }

  /** Shares a device and gives what the guest gets. */
  attach(device: UsbDevice, takesSharedData = false): RingDevice {
    const before = this.devices.length;
    this.host.share(this.shareOf(device, takesSharedData));
    this.settle();
    assert.equal(this.devices.length, before + 1, `devices of the guest; ${this.shareEvents.join(", ")}`);
    return this.devices.at(-1)!;
  }

  /** Both sides have something to do, perhaps. */
  pump(): void {
    if (this.#isDue || this.isManual) return;
    this.#isDue = true;
    this.loop.soon(() => {
      this.#isDue = false;
      this.#run();
    });
  }

  settle(): void {
    this.pump();
    this.loop.settle();
  }

  #run(): void {
    for (let polls = 0; ; polls++) {
      assert(polls < POLLS_MAX, "a side of the ring is busy with nothing");
      const isHostBusy = !this.isHostDead && this.host.poll();
      const isGuestBusy = !this.isGuestDead && this.guest.poll();
      if (isHostBusy || isGuestBusy) continue;
      const sleeps = (this.isHostDead || this.host.sleep()) && (this.isGuestDead || this.guest.sleep());
      if (sleeps) return;
    }
  }
}

/** A device shared by one side and found at the other one. */
export function sharedOverMemory(device: UsbDevice, loop: ManualLoop): RingDevice {
  const pair = new RingPair(loop);
  pair.start();
  return pair.attach(device);
}
