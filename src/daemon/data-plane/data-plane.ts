import { closeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { createGadget, type GadgetSpecification } from "../../gadgets/catalog.ts";
import type { TypingRefused } from "../../gadgets/keyboard.ts";
import { EventDescriptor } from "../../linux/event-descriptor.ts";
import { StreamSockets } from "../../linux/stream-socket.ts";
import { SystemError } from "../../linux/system-error.ts";
import { TransferCounters } from "../../usb/transfer-counters.ts";
import type { UrbTrace } from "../../usb/urb-trace.ts";
import { HOST_LIMITS, type HostLimits } from "../host-limits.ts";
import type { Log } from "../log.ts";
import { PATROL_MS } from "../session.ts";
import { type SessionEnd, STOPPED } from "../session-end.ts";
import { type CarriedSession, type CarriedWatcher, PlaneGadget } from "./plane-gadget.ts";
import type { Connection, ThreadMemory, ThreadStart, ToMain, ToThread } from "./plane-message.ts";
import { buffersOf, TravellingStore } from "./travelling-store.ts";

/** It may be carrying what it can. */
const ANSWER_MS = 5_000;

const THREAD = new URL("./thread.js", import.meta.url);

/**
 * One worker that waits for sockets by system calls of its own and carries the sessions of its gadgets: what
 * needs no event loop. The main thread accepts, lists and decides who may have what.
 */
export class DataPlane {
  readonly #worker: Worker;
  readonly #wake: EventDescriptor;
  readonly #limits: HostLimits;
  readonly #log: Log;
  readonly #watchers = new Map<number, CarriedWatcher>();
  readonly #ended: Promise<void>;
  #gadgets = 0;
  /** That were asked for what their disks contain. */
  readonly #lending = new Map<number, PlaneGadget>();
  #sessions = 0;
  #recordings = 0;
  #over = false;
  /** Who has asked for the memory, in order. */
  readonly #asking: ((memory: ThreadMemory) => void)[] = [];
  /** Who has typed, in order. */
  readonly #typing: ((refused: TypingRefused | undefined) => void)[] = [];
  #question: Promise<boolean> | undefined;
  #answered: () => void = () => {};
  /** The process ends: it waits for the worker, which must not wait for ever. */
  readonly #onExit = (): void => this.#post({ what: "end" });

  private constructor(
    wake: EventDescriptor,
    limits: HostLimits,
    log: Log,
    trace: UrbTrace | undefined,
    processors: readonly number[] | undefined,
  ) {
    this.#wake = wake;
    this.#limits = limits;
    this.#log = log;
    const start: ThreadStart = { wake: wake.fd, limits, trace: trace?.block, processors };
    this.#worker = new Worker(THREAD, { workerData: start, name: "data plane" });
    this.#worker.on("message", (message: ToMain) => this.#hear(message));
    // Ours: it ends the process with its stack, as it would have on the main thread.
    this.#worker.on("error", (error) => {
      throw error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#over = true;
        for (const typed of this.#typing.splice(0)) typed(undefined);
        process.off("exit", this.#onExit);
        wake.close();
        resolve();
      });
    });
    process.on("exit", this.#onExit);
  }

  /** ENOSYS where there is no Linux or no way to its system calls. `processors`: where it may run, if this thread is pinned. */
  static start(
    log: Log,
    limits: HostLimits = HOST_LIMITS,
    trace?: UrbTrace,
    processors?: readonly number[],
  ): DataPlane | SystemError {
    const sockets = StreamSockets.open();
    if (sockets instanceof SystemError) return sockets;
    const wake = EventDescriptor.open();
    return wake instanceof SystemError ? wake : new DataPlane(wake, limits, log, trace, processors);
  }

  /** Makes a gadget in the worker. It must need no backing. */
  plug(specification: GadgetSpecification): PlaneGadget {
    const store = TravellingStore.of(specification, false);
    const twin = createGadget(specification, { ...(store && { store }) });
    const number = this.#gadgets++;
    this.#post({ what: "plug", gadget: number, specification });
    const gadget = new PlaneGadget(twin, store, {
      carry: (connection, watcher) => this.#carry(number, connection, watcher),
      unplug: () => this.#post({ what: "unplug", gadget: number }),
      type: (text) => this.#type(number, text),
      lend: () => {
        this.#lending.set(number, gadget);
        this.#post({ what: "lend", gadget: number });
      },
      returned: (pages) => this.#post({ what: "returned", gadget: number, pages }, buffersOf(pages)),
      record: (request, { block: ring }) => {
        const recording = this.#recordings++;
        this.#post({ what: "record", recording, gadget: number, request, ring });
        return () => this.#post({ what: "endRecording", recording });
      },
    });
    return gadget;
  }

  /** What the worker holds at this moment. */
  memory(): Promise<ThreadMemory> {
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#post({ what: "memory" });
    });
  }

  /** Whether it answers in some seconds; who asks meanwhile shares the question. */
  answers(): Promise<boolean> {
    if (this.#over) return Promise.resolve(false);
    this.#question ??= new Promise<boolean>((resolve) => {
      const patience = setTimeout(() => resolve(false), ANSWER_MS).unref();
      this.#answered = () => {
        clearTimeout(patience);
        resolve(true);
      };
      this.#post({ what: "alive" });
    }).finally(() => {
      this.#question = undefined;
    });
    return this.#question;
  }

  /** Ends the worker, when it carries nothing any more. */
  async stop(): Promise<void> {
    this.#post({ what: "end" });
    const patience = setTimeout(() => this.#giveUp(), this.#limits.drainMs);
    await this.#ended;
    clearTimeout(patience);
  }

  #type(gadget: number, text: string): Promise<TypingRefused | undefined> {
    // Behind its end nobody reads what was typed, and the sessions are over as well.
    if (this.#over) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#typing.push(resolve);
      this.#post({ what: "type", gadget, text });
    });
  }

  #carry(gadget: number, connection: Connection, watcher: CarriedWatcher): CarriedSession {
    const session = this.#sessions++;
    this.#watchers.set(session, watcher);
    if (this.#over) {
      // It was given up. Nobody else would close the connection, or free the device.
      closeSync(connection.fd);
      setImmediate(() => this.#finish(session, STOPPED));
    }
    this.#post({ what: "carry", session, gadget, connection });
    return {
      stop: () => this.#post({ what: "stop", session }),
      destroy: () => this.#demand({ what: "destroy", session }),
      kick: (end) => this.#demand({ what: "kick", session, end }),
    };
  }

  /** The session has to end soon, or the worker is stuck. */
  #demand(message: ToThread & { readonly what: "destroy" | "kick" }): void {
    this.#post(message);
    const isThere = (): boolean => this.#watchers.has(message.session);
    setTimeout(() => {
      // This thread may be what was stuck: the worker's messages come first.
      setImmediate(() => {
        if (isThere()) this.#giveUp();
      });
    }, this.#limits.drainMs).unref();
  }

  #post(message: ToThread, moved: ArrayBuffer[] = []): void {
    // Its event descriptor may be another file by now.
    if (this.#over) return;
    this.#worker.postMessage(message, moved);
    this.#wake.signal();
  }

  #hear(message: ToMain): void {
    switch (message.what) {
      case "info":
      case "warn":
        this.#log[message.what](message.fields, message.message);
        break;
      case "imported":
        this.#watchers.get(message.session)?.imported(new TransferCounters(message.counters));
        break;
      case "refused":
        this.#watchers.get(message.session)?.refused(message.refusal);
        break;
      case "returned":
        this.#watchers.get(message.session)?.returned(message.end, message.durationMs);
        break;
      case "lent":
        this.#lending.get(message.gadget)?.lent(message.pages);
        this.#lending.delete(message.gadget);
        break;
      case "typed":
        this.#typing.shift()?.(message.refused);
        break;
      case "finished":
        this.#finish(message.session, message.end);
        break;
      case "restless":
        setTimeout(() => this.#post({ what: "patrol" }), PATROL_MS).unref();
        break;
      case "alive":
        this.#answered();
        break;
      case "memory":
        this.#asking.shift()?.(message);
        break;
    }
  }

  #finish(session: number, end: SessionEnd): void {
    const watcher = this.#watchers.get(session);
    this.#watchers.delete(session);
    watcher?.finished(end);
  }

  /** The worker is stuck. Its sessions end with it. */
  #giveUp(): void {
    // It interrupts what runs, but not a system call.
    void this.#worker.terminate();
    this.#post({ what: "end" });
    this.#over = true;
    for (const session of this.#watchers.keys()) this.#finish(session, STOPPED);
  }
}
