import type { Cancellable, Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
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
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";
import { Shares } from "./shares.ts";
import type { HostOutput, Share } from "./sides.ts";
import { EndReason } from "./status.ts";

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
  readonly #shares: Shares;
  #phase: "stopped" | "waiting" | "running" | "ending" = "stopped";
  #epoch = 0;
  #session: HostSession | undefined;
  #guestEpoch = 0;
  #pulse: Pulse | undefined;
  #oldGuest: OldGuest | undefined;
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
    this.#shares = new Shares(loop, layout.messageMax, {
      session: () => this.#session,
      isOpen: () => this.isRunning && this.#pulse?.isSilent !== true,
      settled: () => this.#checkEnded(),
    });
  }

  /** A guest has its session. */
  get isRunning(): boolean {
    return this.#session?.isNegotiated === true;
  }

  /** Of the session that there is. */
  get figures(): RingFigures | undefined {
    return this.#session?.figures;
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
    this.#shares.add(share);
  }

  /** Takes a device back; `done` runs when it is free. */
  withdraw(share: Share, done: () => void): void {
    this.#shares.withdraw(share, done);
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

  /**
   * A look that costs less, for when `poll` has just found nothing: false while no message came, and none waits to be sent.
   * Whether the other side is the same only `poll` sees.
   */
  get hasNews(): boolean {
    return this.#phase !== "running" || this.#session!.channel.hasNews;
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
      wake: () => this.#output.wake(),
      sent: () => this.#output.sent?.(),
      streams: this.#output.streams,
      idle: () => this.#output.idle?.(),
      negotiated: () => this.#negotiated(),
      released: (device) => this.#shares.dismiss(device, "released", RemoveReason.RELEASED),
      unplugged: (device) => this.#shares.dismiss(device, "unplugged", RemoveReason.UNPLUG),
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
        if (!isSilent) this.#shares.openAll();
      },
      failed: (error) => this.#end(error),
    });
    this.#pulse.start();
    this.#tell(Side.sees, guestEpoch);
    session.channel.ring();
  }

  #negotiated(): void {
    this.#output.began();
    this.#shares.openAll();
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
    this.#shares.closeAll();
    this.#output.ended(error);
    this.#checkEnded();
  }

  /** When every device is back, memory may be used anew. */
  #checkEnded(): void {
    if (this.#phase !== "ending" || this.#shares.isBusy) return;
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
