import type { OpenError, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Cancellable, Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { deviceAddedSize } from "./device-added.ts";
import type { HostDevice } from "./host-device.ts";
import { HostSession } from "./host-session.ts";
import {
  CONTROL_BLOCK_SIZE,
  CONTROL_MAGIC,
  Control,
  type Layout,
  RingHeader,
  Side,
  State,
  writeLayout,
} from "./layout.ts";
import { RING_LIMITS, type RingLimits } from "./limits.ts";
import { RemoveReason, ShutdownReason } from "./messages.ts";
import { OldGuest } from "./old-guest.ts";
import { Pulse } from "./pulse.ts";
import type { RingMemory } from "./ring-memory.ts";
import type { DeviceEnd, HostOutput, Share } from "./sides.ts";
import { EndReason } from "./status.ts";

/** A share and what has become of it. */
interface Shared {
  readonly share: Share;
  state: "free" | "opening" | "attached" | "closing";
  device: HostDevice | undefined;
  /** It was withdrawn while it was being opened. */
  withdrawn: (() => void) | undefined;
}

/**
 * Host side of a ring: a sink of many devices, in memory that a guest shares. It does no I/O; whoever owns it calls
 * `poll` as long as there is something to do, and again when the guest has rung.
 *
 * The guest may die and come back at any time. What it had is closed before the next one is answered: a slot that a
 * device still writes to is never given to anybody else.
 */
export class RingHost {
  readonly #memory: RingMemory;
  readonly #loop: Loop;
  readonly #layout: Layout;
  readonly #output: HostOutput;
  readonly #limits: RingLimits;
  readonly #shares = new Map<Share, Shared>();
  #phase: "stopped" | "waiting" | "running" | "ending" = "stopped";
  #epoch = 0;
  #session: HostSession | undefined;
  #guestEpoch = 0;
  #pulse: Pulse | undefined;
  #oldGuest: OldGuest | undefined;
  /** Devices that were asked to open or to close, and have not answered. */
  #busy = 0;
  /** Before this nobody is answered: a guest that fails at once must not keep us busy. */
  #readyMs = 0;
  #retry: Cancellable | undefined;
  #stopped: (() => void) | undefined;

  constructor(
    memory: RingMemory,
    loop: Loop,
    layout: Layout,
    output: HostOutput,
    limits: RingLimits = RING_LIMITS,
  ) {
    this.#memory = memory;
    this.#loop = loop;
    this.#layout = layout;
    this.#output = output;
    this.#limits = limits;
  }

  /** A guest has its session. */
  get isRunning(): boolean {
    return this.#session?.isNegotiated === true;
  }

  get hasStreams(): boolean {
    return this.#session?.hasStreams === true;
  }

  /**
   * Lays the memory out and waits for a guest. One that had a session with a host before us sees that this is another
   * one. To be called once.
   */
  start(): void {
    const memory = this.#memory;
    const isKnown = memory.load(Control.magic) === CONTROL_MAGIC;
    this.#epoch = after(memory.load(Control.host + Side.epoch));
    if (this.#epoch === memory.load(Control.guest + Side.sees)) this.#epoch = after(this.#epoch);
    memory.store(Control.magic, 0);
    if (!isKnown) this.#clear();
    this.#tell(Side.state, State.INIT);
    this.#tell(Side.sees, 0);
    this.#tell(Side.end, EndReason.NONE);
    this.#tell(Side.state, State.READY);
    this.#wait();
    this.#ring();
  }

  /** Gives a device to the guest, now or as soon as there is one; and to the next guest again. */
  share(share: Share): void {
    const shared: Shared = { share, state: "free", device: undefined, withdrawn: undefined };
    this.#shares.set(share, shared);
    this.#open(shared);
  }

  /** Takes a device back; `done` runs when it is free. */
  withdraw(share: Share, done: () => void): void {
    const shared = this.#shares.get(share);
    if (shared === undefined) {
      done();
      return;
    }
    this.#shares.delete(share);
    switch (shared.state) {
      case "free":
        done();
        break;
      case "attached":
        this.#close(shared, "withdrawn", RemoveReason.USER, done);
        break;
      default:
        shared.withdrawn = done;
    }
  }

  /** Does a bounded amount of work. True: there may be more. */
  poll(): boolean {
    switch (this.#phase) {
      case "waiting":
        return this.#lookForGuest();
      case "running":
        return this.#serve();
      default:
        return false;
    }
  }

  /** Says that this side goes to sleep, until the guest rings. False: there is something to do first. */
  sleep(): boolean {
    const session = this.#session;
    if (session === undefined) return this.#retry !== undefined || !this.#isGuestThere();
    return session.sleep() && this.#isSameGuest();
  }

  /** Says that this side looks by itself. */
  awake(): void {
    this.#session?.channel.awake();
  }

  /** Says good-bye and gives every device back; then `done`. */
  stop(done: () => void): void {
    this.#stopped = done;
    this.#retry?.cancel();
    if (this.#session === undefined) {
      this.#phase = "ending";
      this.#checkEnded();
    } else {
      this.#session.farewell(ShutdownReason.NORMAL);
      this.#end(undefined);
    }
  }

  #clear(): void {
    const { g2h, h2g } = this.#layout;
    const { bytes } = this.#memory;
    bytes.fill(0, 0, CONTROL_BLOCK_SIZE);
    for (const { offset } of [g2h, h2g]) bytes.fill(0, offset, offset + RingHeader.max_message_size + 4);
  }

  /** The memory is as it has to be, whatever an earlier guest has done to it. */
  #wait(): void {
    writeLayout(this.#memory, this.#layout);
    this.#tell(Side.epoch, this.#epoch);
    this.#tell(Side.sees, 0);
    this.#memory.store(Control.magic, CONTROL_MAGIC);
    this.#phase = "waiting";
    this.#oldGuest = undefined;
  }

  /** A guest that has an epoch and greets this host, and was not dismissed already. */
  #isGuestThere(): boolean {
    const epoch = this.#memory.load(Control.guest + Side.epoch);
    if (this.#phase !== "waiting") return false;
    const sees = this.#memory.load(Control.guest + Side.sees);
    if (sees === 0) return this.#oldGuest?.hasSaid ?? OldGuest.isThere(this.#memory, this.#layout);
    return epoch !== 0 && epoch !== this.#guestEpoch && sees === this.#epoch;
  }

  #isSameGuest(): boolean {
    return (
      this.#memory.load(Control.guest + Side.epoch) === this.#guestEpoch &&
      this.#memory.load(Control.guest + Side.sees) === this.#epoch
    );
  }

  #lookForGuest(): boolean {
    // Read before it is known that this guest sees us: one that is told behind that may belong to a guest that does not yet.
    const epoch = this.#memory.load(Control.guest + Side.epoch);
    if (!this.#isGuestThere()) return false;
    if (this.#memory.load(Control.guest + Side.sees) !== this.#epoch) return this.#refuseOldGuest();
    const waitMs = this.#readyMs - this.#loop.now();
    if (waitMs > 0) {
      this.#retry ??= this.#loop.after(waitMs, () => {
        this.#retry = undefined;
        this.poll();
      });
      return false;
    }
    this.#readyMs = this.#loop.now() + this.#limits.retryMs;
    this.#begin(epoch);
    return true;
  }

  #begin(guestEpoch: number): void {
    this.#guestEpoch = guestEpoch;
    const session = new HostSession({
      memory: this.#memory,
      layout: this.#layout,
      limits: this.#limits,
      loop: this.#loop,
      guestEpoch,
      hostEpoch: this.#epoch,
      streams: this.#output.streams,
      idle: () => this.#output.idle?.(),
      wake: () => this.#output.wake(),
      negotiated: () => this.#negotiated(),
      released: (device) => this.#dismiss(device, "released", RemoveReason.RELEASED),
      unplugged: (device) => this.#dismiss(device, "unplugged", RemoveReason.UNPLUG),
      over: (error) => {
        if (this.#session === session) this.#end(error);
      },
    });
    this.#session = session;
    session.channel.clear();
    this.#phase = "running";
    this.#pulse = new Pulse(this.#memory, "host", session.channel, this.#loop, this.#limits, {
      state: State.RUNNING,
      get pendingUrbs() {
        return session.pendingUrbs;
      },
      usedSlots: 0,
      silent: (isSilent) => {
        this.#output.orphaned?.(isSilent);
        if (!isSilent) this.#openAll();
      },
      failed: (error) => this.#end(error),
    });
    this.#pulse.start();
    this.#tell(Side.sees, guestEpoch);
    session.channel.ring();
  }

  #negotiated(): void {
    this.#output.began();
    this.#openAll();
  }

  #serve(): boolean {
    if (!this.#isSameGuest()) {
      this.#end(undefined);
      return true;
    }
    const session = this.#session!;
    const found = session.poll();
    if (found instanceof ProtocolError) {
      // A guest that begins anew clears its indices, and lets go of our epoch first.
      if (this.#session === session) this.#end(this.#isSameGuest() ? found : undefined);
      return true;
    }
    return found;
  }

  /** Version 1.0 knows no epochs: it begins to talk. It gets its answer, and whoever owns us gets to know. */
  #refuseOldGuest(): boolean {
    if (this.#oldGuest === undefined) {
      this.#oldGuest = new OldGuest(this.#memory, this.#layout, () => this.#output.wake());
      this.#oldGuest.begin();
    }
    const refused = this.#oldGuest.poll();
    if (refused !== undefined) this.#output.ended(refused);
    return true;
  }

  #end(error: ProtocolError | undefined): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#phase = "ending";
    this.#pulse?.stop();
    this.#pulse = undefined;
    session.silence();
    this.#tell(Side.end, error === undefined ? EndReason.ENDED : EndReason[error.code]);
    this.#tell(Side.sees, 0);
    this.#tell(Side.state, error === undefined ? State.READY : State.ERROR);
    session.channel.ring();
    for (const shared of this.#shares.values()) {
      if (shared.state === "attached") this.#close(shared, "disconnected", RemoveReason.HOST_SHUTDOWN);
    }
    this.#output.ended(error);
    this.#checkEnded();
  }

  #openAll(): void {
    for (const shared of Array.from(this.#shares.values())) this.#open(shared);
  }

  #open(shared: Shared): void {
    const session = this.#session;
    if (session?.isNegotiated !== true || this.#pulse?.isSilent === true || shared.state !== "free") return;
    shared.state = "opening";
    this.#busy++;
    const host: UsbHost = {
      complete: (urb) => shared.device!.complete(urb),
      // Without a device it is already on its way back.
      unplugged: () => shared.device?.unplugged(),
    };
    shared.share.device.open(host, this.#loop, (refused) => {
      this.#busy--;
      if (refused !== undefined) this.#drop(shared, refused);
      else this.#opened(shared, session);
      this.#checkEnded();
    });
  }

  #opened(shared: Shared, session: HostSession): void {
    const { device, takesSharedData = false } = shared.share;
    if (this.#session !== session || shared.withdrawn !== undefined) {
      this.#giveBack(shared, undefined);
      return;
    }
    const map = EndpointMap.of(device.descriptors, device.speed, device.configuration);
    if (
      map instanceof ProtocolError ||
      deviceAddedSize(device.descriptors.length) > this.#layout.messageMax
    ) {
      this.#giveBack(shared, { reason: "failed", message: "its descriptors cannot be told to a guest" });
      return;
    }
    const hosted = session.announce(device, map, takesSharedData);
    if (hosted === undefined) {
      this.#giveBack(shared, { reason: "failed", message: "the guest has as many devices as there can be" });
      return;
    }
    shared.device = hosted;
    shared.state = "attached";
    hosted.trace = shared.share.attached(hosted.counters, hosted.id);
  }

  /** Closes a device that the guest does not get. Without `error` it stays shared. */
  #giveBack(shared: Shared, error: OpenError | undefined): void {
    shared.state = "closing";
    this.#busy++;
    shared.share.device.close(() => {
      this.#busy--;
      if (error !== undefined) this.#drop(shared, error);
      else this.#freed(shared);
      this.#checkEnded();
    });
  }

  #drop(shared: Shared, error: OpenError): void {
    shared.state = "free";
    this.#shares.delete(shared.share);
    if (shared.withdrawn === undefined) shared.share.refused(error);
    else this.#freed(shared);
  }

  #dismiss(device: HostDevice, end: DeviceEnd, reason: number): void {
    for (const shared of this.#shares.values()) {
      if (shared.device !== device) continue;
      this.#shares.delete(shared.share);
      this.#close(shared, end, reason);
      return;
    }
  }

  #close(shared: Shared, end: DeviceEnd, reason: number, done?: () => void): void {
    const device = shared.device!;
    const session = this.#session;
    shared.state = "closing";
    shared.withdrawn = done;
    device.retire();
    this.#busy++;
    shared.share.device.close(() => {
      this.#busy--;
      shared.device = undefined;
      if (this.#session === session) session?.remove(device, reason);
      shared.share.closed(end);
      this.#freed(shared);
      this.#checkEnded();
    });
  }

  #freed(shared: Shared): void {
    shared.state = "free";
    shared.withdrawn?.();
    // The next guest may be there already.
    if (this.#shares.has(shared.share)) this.#open(shared);
  }

  /** When every device is back, memory may be used anew. */
  #checkEnded(): void {
    if (this.#phase !== "ending" || this.#busy > 0) return;
    if (this.#stopped === undefined) {
      this.#wait();
      this.#loop.soon(() => this.poll());
      return;
    }
    const done = this.#stopped;
    this.#stopped = undefined;
    this.#phase = "stopped";
    this.#tell(Side.state, State.STOPPED);
    this.#ring();
    done();
  }

  #tell(field: number, value: number): void {
    this.#memory.store(Control.host + field, value);
  }

  #ring(): void {
    const at = Control.host + Side.bell;
    this.#memory.store(at, this.#memory.load(at) + 1);
    this.#output.wake();
  }
}

/** Epochs go round, and leave 0 out. */
function after(epoch: number): number {
  return (epoch + 1) >>> 0 || 1;
}
