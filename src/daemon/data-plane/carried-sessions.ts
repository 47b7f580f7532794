import { PacketRing } from "../../capture/packet-ring.ts";
import { type CaptureRequest, Recorder } from "../../capture/recorder.ts";
import { Tap } from "../../capture/tap.ts";
import { createGadget, type GadgetSpecification } from "../../gadgets/catalog.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import { Keyboard } from "../../gadgets/keyboard.ts";
import type { MemoryPages } from "../../gadgets/memory-store.ts";
import { PollLink } from "../../links/poll-link.ts";
import type { TransferCounters } from "../../usb/transfer-counters.ts";
import type { UrbTrace } from "../../usb/urb-trace.ts";
import type { ExportedDevice } from "../../usbip/exports.ts";
import type { ImportRefusal } from "../../usbip/server.ts";
import { THERE, timeOfDayUs } from "../capture/capture-subject.ts";
import type { HostLimits } from "../host-limits.ts";
import { Session, type SessionExports, type SessionOwner } from "../session.ts";
import type { SessionEnd } from "../session-end.ts";
import type { Connection, ToMain, ToThread } from "./plane-message.ts";
import type { PollLoop } from "./poll-loop.ts";
import { TravellingStore } from "./travelling-store.ts";

/** A gadget, and what it keeps. */
interface Plugged {
  readonly gadget: Gadget;
  readonly tap: Tap;
  readonly store: TravellingStore | undefined;
}

const NO_PAGES: MemoryPages = new Map();

/** What runs in the worker: its gadgets, and the sessions that have one. */
export class CarriedSessions implements SessionOwner {
  readonly #loop: PollLoop;
  readonly #limits: HostLimits;
  readonly #tell: (message: ToMain) => void;
  readonly #trace: UrbTrace | undefined;
  readonly #gadgets = new Map<number, Plugged>();
  readonly #sessions = new Map<number, Session>();
  readonly #numbers = new Map<Session, number>();
  /** What ends each recording. */
  readonly #recordings = new Map<number, () => void>();
  #patrolling = false;

  constructor(
    loop: PollLoop,
    limits: HostLimits,
    tell: (message: ToMain) => void,
    trace: UrbTrace | undefined,
  ) {
    this.#loop = loop;
    this.#limits = limits;
    this.#tell = tell;
    this.#trace = trace;
  }

  obey(message: Exclude<ToThread, { readonly what: "memory" | "alive" | "end" }>): void {
    switch (message.what) {
      case "plug":
        this.#plug(message.gadget, message.specification);
        break;
      case "unplug":
        this.#gadgets.get(message.gadget)?.gadget.unplug();
        this.#gadgets.delete(message.gadget);
        break;
      case "lend": {
        const { gadget } = message;
        this.#tell({ what: "lent", gadget, pages: this.#gadgets.get(gadget)?.store?.leave() ?? NO_PAGES });
        break;
      }
      case "returned":
        this.#gadgets.get(message.gadget)?.store?.came(message.pages);
        break;
      case "record":
        this.#record(message.recording, message.gadget, message.request, message.ring);
        break;
      case "endRecording":
        this.#recordings.get(message.recording)?.();
        this.#recordings.delete(message.recording);
        break;
      case "type": {
        const gadget = this.#gadgets.get(message.gadget)?.gadget;
        this.#tell({
          what: "typed",
          refused: gadget instanceof Keyboard ? gadget.type(message.text) : undefined,
        });
        break;
      }
      case "carry":
        this.#carry(message.session, this.#gadgets.get(message.gadget)?.tap, message.connection);
        break;
      // A session may have ended while the message was on its way.
      case "stop":
        this.#sessions.get(message.session)?.stop();
        break;
      case "destroy":
        this.#sessions.get(message.session)?.destroy();
        break;
      case "kick":
        this.#sessions.get(message.session)?.kick(message.end);
        break;
      case "patrol":
        this.#patrol();
        break;
    }
  }

  imported(session: Session, _exported: ExportedDevice, { block }: TransferCounters): void {
    this.#tell({ what: "imported", session: this.#numbers.get(session)!, counters: block });
  }

  refused(session: Session, _busid: string, refusal: ImportRefusal): void {
    this.#tell({ what: "refused", session: this.#numbers.get(session)!, refusal });
  }

  restless(): void {
    this.#patrolLater();
  }

  finished(session: Session, end: SessionEnd): void {
    const number = this.#numbers.get(session)!;
    this.#numbers.delete(session);
    this.#sessions.delete(number);
    this.#tell({ what: "finished", session: number, end });
  }

  #plug(number: number, specification: GadgetSpecification): void {
    const store = TravellingStore.of(specification, true);
    const gadget = createGadget(specification, { ...(store && { store }) });
    this.#gadgets.set(number, { gadget, tap: new Tap(gadget), store });
  }

  #record(number: number, gadget: number, request: CaptureRequest, ring: SharedArrayBuffer): void {
    const recorder = new Recorder(new PacketRing(ring), request, THERE, timeOfDayUs);
    const end = this.#gadgets.get(gadget)?.tap.record(recorder);
    if (end !== undefined) this.#recordings.set(number, end);
  }

  #carry(
    number: number,
    device: Tap | undefined,
    { fd, peer, writeBytes, request, ageMs, exported, traced }: Connection,
  ): void {
    const link = new PollLink(peer, fd, this.#loop, writeBytes);
    const log = {
      info: (fields: object, message: string) => this.#tell({ what: "info", fields, message }),
      warn: (fields: object, message: string) => this.#tell({ what: "warn", fields, message }),
    };
    const acceptedMs = this.#loop.now() - ageMs;
    const session = new Session(
      link,
      this.#soleExport(number, device && { ...exported, device, attached: false }),
      this.#loop,
      this.#limits,
      log,
      this,
      acceptedMs,
      this.#trace === undefined || traced === undefined ? undefined : { urbs: this.#trace, session: traced },
    );
    this.#sessions.set(number, session);
    this.#numbers.set(session, number);
    session.start(request);
    this.#patrolLater();
  }

  #patrolLater(): void {
    if (this.#patrolling) return;
    this.#patrolling = true;
    this.#tell({ what: "restless" });
  }

  #patrol(): void {
    this.#patrolling = false;
    let isRestless = false;
    for (const session of this.#sessions.values()) isRestless = session.patrol() || isRestless;
    if (isRestless) this.#patrolLater();
  }

  /**
   * The one device that a carried connection has asked for; nothing if it was unplugged meanwhile. Who may have it
   * was settled where the connection was accepted.
   */
  #soleExport(session: number, exported: ExportedDevice | undefined): SessionExports {
    return {
      devices: () => (exported === undefined ? [] : [exported]),
      find: (busid) => (busid === exported?.busid ? exported : undefined),
      take: () => {},
      imported: () => {},
      returned: (end, durationMs) => this.#tell({ what: "returned", session, end, durationMs }),
      giveBack: () => {},
    };
  }
}
