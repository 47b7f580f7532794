import type { Cancellable, Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { RingDevice } from "./guest-device.ts";
import { GuestSession, type HostFigures } from "./guest-session.ts";
import { Control, type Layout, readLayout, Side, State } from "./layout.ts";
import { RING_LIMITS, type RingLimits } from "./limits.ts";
import { RemoveReason, ShutdownReason } from "./messages.ts";
import { Pulse } from "./pulse.ts";
import type { RingFigures } from "./ring-figures.ts";
import type { RingMemory } from "./ring-memory.ts";
import type { GuestOutput } from "./sides.ts";
import { EndReason, endReasonName } from "./status.ts";
import type { RingStream } from "./streams.ts";

/**
 * Guest side of a ring: a source of the devices that its host shares. It does no I/O; whoever owns it calls `poll` as
 * long as there is something to do, and again when the host has rung.
 *
 * The host may die and come back at any time: its devices are unplugged, and plugged in again when it is back.
 */
export class RingGuest {
  readonly #memory: RingMemory;
  readonly #loop: Loop;
  readonly #output: GuestOutput;
  readonly #limits: RingLimits;
  /** `waiting`: for a host. `greeting`: until it has answered our epoch. */
  #phase: "stopped" | "waiting" | "greeting" | "running" = "stopped";
  #session: GuestSession | undefined;
  #epoch = 0;
  #hostEpoch = 0;
  #pulse: Pulse | undefined;
  /** A host is greeted again when this has run. */
  #pause: Cancellable | undefined;
  /** What was wrong with the layout last; told once. */
  #complaint = "";

  constructor(memory: RingMemory, loop: Loop, output: GuestOutput, limits: RingLimits = RING_LIMITS) {
    this.#memory = memory;
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
  }

  /** There is a session: the host shares what it has. */
  get isRunning(): boolean {
    return this.#session?.isNegotiated === true;
  }

  /** Slots that are not free: the host has not let go of them. */
  get usedSlots(): number {
    return this.#session?.usedSlots ?? 0;
  }

  /** Transfers that the host has not answered, given back or not. */
  get pendingUrbs(): number {
    return this.#session?.pendingUrbs ?? 0;
  }

  /** Of the session that there is. */
  get figures(): RingFigures | undefined {
    return this.#session?.figures;
  }

  /** Looks for a host from now on. To be called once. */
  start(): void {
    this.#epoch = this.#memory.load(Control.guest + Side.epoch);
    this.#tell(Side.sees, 0);
    this.#phase = "waiting";
    this.poll();
  }

  /** Asks what the host has counted: of a device, or of all. Nothing if there is no session. */
  askStats(device: RingDevice | undefined, done: (figures: HostFigures | undefined) => void): void {
    if (this.#session === undefined) done(undefined);
    else this.#session.askStats(device, done);
  }

  get hasStreams(): boolean {
    return this.#session?.hasStreams === true;
  }

  /** A stream to the host, which is called `peer`. Nothing without a session, or if the host takes none, or no more. */
  dial(peer: string): RingStream | undefined {
    return this.isRunning ? this.#session!.dial(peer) : undefined;
  }

  /** Does a bounded amount of work. True: there may be more. */
  poll(): boolean {
    switch (this.#phase) {
      case "waiting":
        return this.#lookForHost();
      case "greeting":
        return this.#lookForAnswer();
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

  /** Says that this side goes to sleep, until the host rings. False: there is something to do first. */
  sleep(): boolean {
    switch (this.#phase) {
      case "waiting":
        return this.#pause !== undefined || !this.#isHostThere();
      case "greeting":
        return this.#isSameHost() && this.#memory.load(Control.host + Side.sees) !== this.#epoch;
      case "running":
        return this.#session!.sleep() && this.#isInSession();
      default:
        return true;
    }
  }

  /** Says that this side looks by itself. */
  awake(): void {
    this.#session?.channel.awake();
  }

  /** Says good-bye; every device is gone, then `done` runs. */
  stop(done: () => void): void {
    if (this.#phase === "running") this.#session!.farewell(ShutdownReason.NORMAL);
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#leave(RemoveReason.USER);
    this.#phase = "stopped";
    this.#tell(Side.state, State.STOPPED);
    done();
  }

  #isHostThere(): boolean {
    const layout = readLayout(this.#memory);
    if (layout === undefined) return false;
    if (layout instanceof ProtocolError) return layout.message !== this.#complaint;
    return this.#memory.load(Control.host + Side.epoch) !== 0;
  }

  #isSameHost(): boolean {
    return this.#memory.load(Control.host + Side.epoch) === this.#hostEpoch;
  }

  #isInSession(): boolean {
    return this.#isSameHost() && this.#memory.load(Control.host + Side.sees) === this.#epoch;
  }

  #lookForHost(): boolean {
    if (this.#pause !== undefined) return false;
    const hostEpoch = this.#memory.load(Control.host + Side.epoch);
    const layout = readLayout(this.#memory);
    if (layout === undefined || hostEpoch === 0) return false;
    if (layout instanceof ProtocolError) {
      if (layout.message === this.#complaint) return false;
      this.#complaint = layout.message;
      this.#tell(Side.end, EndReason[layout.code]);
      this.#output.ended(layout);
      return false;
    }
    this.#complaint = "";
    this.#greet(layout, hostEpoch);
    return true;
  }

  /** The host answers when it has let go of all that an earlier guest had. */
  #greet(layout: Layout, hostEpoch: number): void {
    this.#hostEpoch = hostEpoch;
    this.#epoch = (this.#epoch + 1) >>> 0 || 1;
    const session = new GuestSession({
      memory: this.#memory,
      layout,
      limits: this.#limits,
      loop: this.#loop,
      guestEpoch: this.#epoch,
      hostEpoch,
      idle: () => this.#output.idle?.(),
      wake: () => this.#output.wake(),
      sent: () => this.#output.sent?.(),
      negotiated: () => this.#output.began(),
      added: (device) => this.#output.added(device),
      removed: (device, reason) => this.#output.removed(device, reason),
      tripped: (device, isTripped, reason) => this.#output.tripped?.(device, isTripped, reason),
      over: (error) => {
        if (this.#session === session) this.#end(error);
      },
    });
    this.#session = session;
    this.#phase = "greeting";
    session.channel.clear();
    this.#tell(Side.state, State.INIT);
    this.#tell(Side.epoch, this.#epoch);
    this.#tell(Side.sees, hostEpoch);
    session.channel.ring();
  }

  #lookForAnswer(): boolean {
    if (!this.#isSameHost()) {
      this.#leave(RemoveReason.HOST_SHUTDOWN);
      return true;
    }
    if (this.#memory.load(Control.host + Side.sees) !== this.#epoch) return false;
    const session = this.#session!;
    this.#phase = "running";
    this.#pulse = new Pulse(this.#memory, "guest", session.channel, this.#loop, this.#limits, {
      state: State.RUNNING,
      get pendingUrbs() {
        return session.pendingUrbs;
      },
      get usedSlots() {
        return session.usedSlots;
      },
      silent: (isSilent) => this.#output.orphaned?.(isSilent),
      failed: (error) => this.#end(error),
    });
    this.#pulse.start();
    session.greet();
    return true;
  }

  #serve(): boolean {
    if (!this.#isInSession()) {
      this.#hostLeft();
      return true;
    }
    const session = this.#session!;
    const found = session.poll();
    if (found instanceof ProtocolError) {
      if (this.#session !== session) return true;
      // A host that begins anew clears its indices, and says so first.
      if (this.#isInSession()) this.#end(found);
      else this.#hostLeft();
      return true;
    }
    return found;
  }

  #hostLeft(): void {
    const reason = this.#memory.load(Control.host + Side.end);
    const isError = this.#isSameHost() && reason !== EndReason.NONE && reason !== EndReason.ENDED;
    this.#end(
      isError
        ? new ProtocolError("BAD_COMMAND", `the host has ended the session: ${endReasonName(reason)}`)
        : undefined,
    );
  }

  #end(error: ProtocolError | undefined): void {
    if (this.#session === undefined) return;
    const isSameHost = this.#isSameHost();
    this.#tell(Side.end, error === undefined ? EndReason.ENDED : EndReason[error.code]);
    this.#leave(RemoveReason.HOST_SHUTDOWN);
    this.#output.ended(error);
    // Another host is greeted at once; one that has ended this session, not in a hurry.
    if (this.#phase !== "waiting" || !isSameHost) return;
    this.#pause = this.#loop.after(this.#limits.retryMs, () => {
      this.#pause = undefined;
      this.poll();
    });
  }

  /** Lets go of the host's epoch first: what follows is nobody's. */
  #leave(reason: number): void {
    const session = this.#session;
    this.#tell(Side.sees, 0);
    this.#session = undefined;
    this.#phase = "waiting";
    this.#pulse?.stop();
    this.#pulse = undefined;
    session?.end(reason);
    session?.channel.ring();
  }

  #tell(field: number, value: number): void {
    this.#memory.store(Control.guest + field, value);
  }
}
