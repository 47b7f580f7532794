import type { Log } from "../log.ts";
import { HOOK_LIMITS, type HookLimits, runHook } from "./hook-run.ts";

/** What a command is told of the device that was attached or detached. */
export interface HookFacts {
  readonly wish: string;
  readonly host: string;
  readonly busid: string;
  readonly vid: string;
  readonly pid: string;
  /** Empty where nobody has told it. */
  readonly serial: string;
  readonly port: number;
  /** /dev/bus/usb/BBB/DDD */
  readonly node: string;
  /** What its drivers have made of it: /dev/ttyACM0, ... */
  readonly nodes: readonly string[];
}

export type HookEvent = "attach" | "detach";

/** Runs that wait for the one before. A device that comes and goes faster than its commands run makes no more of them. */
const QUEUE_MAX = 16;

/** Runs the commands of one wish, one after the other. */
export class WishHooks {
  readonly #log: Log;
  readonly #limits: HookLimits;
  #queued = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(log: Log, limits = HOOK_LIMITS) {
    this.#log = log;
    this.#limits = limits;
  }

  /** Resolves when all that were asked for have ended. */
  get settled(): Promise<void> {
    return this.#last;
  }

  /** `facts` is asked for when its turn has come. */
  run(event: HookEvent, command: readonly string[] | undefined, facts: () => Promise<HookFacts>): void {
    if (command === undefined) return;
    if (this.#queued >= QUEUE_MAX) {
      this.#log.warn(
        { code: "HOOK_SKIPPED", event },
        `HOOK_SKIPPED ${command[0]} on ${event}: ${QUEUE_MAX} runs wait for it already. Let it end sooner, or look at the ` +
          "device, which comes and goes all the time.",
      );
      return;
    }
    this.#queued++;
    this.#last = this.#last.then(async () => {
      await this.#runOne(event, command, await facts());
      this.#queued--;
    });
  }

  async #runOne(event: HookEvent, command: readonly string[], facts: HookFacts): Promise<void> {
    const { wish, busid } = facts;
    const failed = await runHook(
      command,
      hookVariables(event, facts),
      (line) => this.#log.info({ code: "HOOK_OUTPUT", wish, event }, `HOOK_OUTPUT ${command[0]}: ${line}`),
      this.#limits,
    );
    if (failed === undefined) {
      this.#log.info({ code: "HOOK_RAN", wish, event }, `HOOK_RAN ${command[0]} on ${event} of ${busid}`);
      return;
    }
    this.#log.warn(
      { code: "HOOK_FAILED", wish, event },
      `HOOK_FAILED ${command.join(" ")} on ${event} of ${busid}: ${failed}. The device is not touched by that. Run the ` +
        "command by hand, as the user of the agent, to see what it lacks.",
    );
  }
}

/** What stands in the environment of a command. */
export function hookVariables(event: HookEvent, facts: HookFacts): Readonly<Record<string, string>> {
  return {
    USBFERRY_EVENT: event,
    USBFERRY_WISH: facts.wish,
    USBFERRY_HOST: facts.host,
    USBFERRY_BUSID: facts.busid,
    USBFERRY_VID: facts.vid,
    USBFERRY_PID: facts.pid,
    USBFERRY_SERIAL: facts.serial,
    USBFERRY_PORT: String(facts.port),
    USBFERRY_DEVNODE: facts.node,
    USBFERRY_DEVNODES: facts.nodes.join(" "),
  };
}
