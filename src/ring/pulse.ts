import type { Cancellable, Loop } from "../usb/loop.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Channel } from "./channel.ts";
import { Control, Side } from "./layout.ts";
import type { RingLimits } from "./limits.ts";
import { Heartbeat, MessageType } from "./messages.ts";
import type { RingMemory } from "./ring-memory.ts";

export interface PulseOutput {
  /** Stands in each heartbeat. */
  readonly state: number;
  readonly pendingUrbs: number;
  readonly usedSlots: number;
  /** Nothing was heard for a while (true), or something again (false). */
  silent(isSilent: boolean): void;
  /** The other side is dead, or as good as that. */
  failed(error: ProtocolError): void;
}

/** During a session: tells the other side that this one lives, and looks whether the other one does. */
export class Pulse {
  readonly #memory: RingMemory;
  readonly #ownAt: number;
  readonly #otherAt: number;
  readonly #channel: Channel;
  readonly #loop: Loop;
  readonly #limits: RingLimits;
  readonly #output: PulseOutput;
  #timer: Cancellable | undefined;
  /** The heartbeat of the other side as it was seen last, and when it had changed. */
  #heard = 0;
  #heardMs: number;
  #isSilent = false;
  /** The same of messages that wait for room. */
  #moved = 0;
  #movedMs: number;

  constructor(
    memory: RingMemory,
    side: "host" | "guest",
    channel: Channel,
    loop: Loop,
    limits: RingLimits,
    output: PulseOutput,
  ) {
    this.#memory = memory;
    this.#ownAt = Control[side];
    this.#otherAt = Control[side === "host" ? "guest" : "host"];
    this.#channel = channel;
    this.#loop = loop;
    this.#limits = limits;
    this.#output = output;
    this.#heardMs = loop.now();
    this.#movedMs = this.#heardMs;
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  start(): void {
    this.#beat(false);
    this.#timer = this.#loop.after(this.#limits.heartbeatMs, this.#due);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #due = (): void => {
    this.#timer = this.#loop.after(this.#limits.heartbeatMs, this.#due);
    this.#beat(true);
    this.#listen();
    this.#checkRoom();
  };

  #beat(withMessage: boolean): void {
    const { state, pendingUrbs, usedSlots } = this.#output;
    const ns = this.#loop.now() * 1e6;
    const low = ns % 2 ** 32;
    const high = (ns / 2 ** 32) % 2 ** 32;
    this.#memory.store(this.#ownAt + Side.heartbeat_ts, low);
    this.#memory.store(this.#ownAt + Side.heartbeat_ts + 4, high);
    this.#memory.store(this.#ownAt + Side.state, state);
    // One that waits already says as much.
    if (!withMessage || this.#channel.waiting > 0) return;
    const body = Heartbeat.encode({
      timestamp: low,
      timestamp_high: high,
      state,
      pending_urbs: pendingUrbs,
      used_slots: usedSlots,
      reserved: 0,
    });
    this.#channel.say(MessageType.HEARTBEAT, 0, 0, body);
    const error = this.#channel.flush();
    if (error !== undefined) this.#output.failed(error);
  }

  #listen(): void {
    const heard = this.#memory.load(this.#otherAt + Side.heartbeat_ts);
    const nowMs = this.#loop.now();
    if (heard !== this.#heard) {
      this.#heard = heard;
      this.#heardMs = nowMs;
    }
    const { silenceMs, graceMs } = this.#limits;
    const silentMs = nowMs - this.#heardMs;
    const isSilent = silentMs >= silenceMs;
    if (isSilent !== this.#isSilent) {
      this.#isSilent = isSilent;
      this.#output.silent(isSilent);
    }
    if (silentMs < silenceMs + graceMs) return;
    this.#output.failed(new ProtocolError("PEER_SILENT", `no heartbeat for ${Math.round(silentMs)} ms`));
  }

  #checkRoom(): void {
    const nowMs = this.#loop.now();
    if (this.#channel.waiting === 0 || this.#channel.moved !== this.#moved) {
      this.#moved = this.#channel.moved;
      this.#movedMs = nowMs;
    } else if (!this.#isSilent && nowMs - this.#movedMs >= this.#limits.notReadingMs) {
      const seconds = Math.round((nowMs - this.#movedMs) / 1000);
      this.#output.failed(new ProtocolError("PEER_NOT_READING", `no message was taken for ${seconds} s`));
    }
  }
}
