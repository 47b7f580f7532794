import type { ExportedDevice, Exports } from "../../src/usbip/exports.ts";
import { type EndCause, UsbipServer } from "../../src/usbip/server.ts";
import { SESSION_LIMITS, type SessionLimits } from "../../src/usbip/session-limits.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { HeldDevice } from "../support/held-device.ts";
import { ManualLoop } from "../support/manual-loop.ts";
import type { Request } from "./expected-reply.ts";
import { joined } from "./mutation.ts";
import { ScriptedDevice } from "./scripted-device.ts";
import { SessionOracle } from "./session-oracle.ts";
import { requireSame, requireSameBytes } from "./target.ts";
import { HEADER, importOf, submit, unlink } from "./usbip-message.ts";

/** What is the same for all of one conversation. */
export interface Setting {
  /** Little memory and few URBs; every message comes alone. */
  readonly limited: boolean;
  readonly stepsOnFlush: boolean;
  readonly takesLentData: boolean;
  readonly lendsData: boolean;
  readonly opensLate: boolean;
  readonly refused: boolean;
  /** What is written leaves at the next step. */
  readonly slowReader: boolean;
  readonly ending: "finish" | "disconnect" | "unplug";
}

export interface Played {
  readonly output: Uint8Array;
  readonly ended: string | undefined;
}

const FEW: SessionLimits = { urbs: 6, bytes: 16 << 10, looseBytes: 1 << 20 };
const PLENTY: SessionLimits = { ...SESSION_LIMITS, bytes: 1 << 30 };
const STEP_MS = 50;
/** Late answers, and unlinks of what never came, are there within this many steps. */
const STEPS_TO_REST = 6;

/** One conversation: server, device, loop and the oracle that watches. */
export class SessionRun {
  readonly #setting: Setting;
  readonly #device = new ScriptedDevice();
  readonly #loop = new ManualLoop();
  readonly #limits: SessionLimits;
  readonly #oracle: SessionOracle;
  readonly #server: UsbipServer;
  readonly #output: Uint8Array[] = [];
  /** Written since the oracle was told. */
  #fresh: { chunks: Uint8Array[]; written: () => void }[] = [];
  /** Written, and not gone yet: with a copy, for nobody may touch it until then. */
  #leaving: { chunks: readonly Uint8Array[]; copy: Uint8Array; answered: Request[]; written: () => void }[] =
    [];
  #ended: EndCause | undefined;
  #imports = 0;
  #isOver = false;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#limits = setting.limited ? FEW : PLENTY;
    this.#device.stepsOnFlush = setting.stepsOnFlush;
    this.#device.takesLentData = setting.takesLentData;
    this.#device.lendsData = setting.lendsData;
    this.#device.opensLate = setting.opensLate;
    if (setting.refused) this.#device.refusal = { reason: "denied", message: "refused" };
    const rules = {
      imports: new Map([
        ["1-2", setting.refused ? 1 : 0],
        ["1-3", 2],
        ["1-4", 3],
      ]),
      listed: new Map([
        ["1-2", 2],
        ["1-3", 1],
      ]),
      ...this.#limits,
    };
    this.#oracle = new SessionOracle(this.#device, rules, () => this.#loop.now());
    this.#server = new UsbipServer(
      this.#exports(),
      this.#loop,
      {
        write: (chunks, written) => {
          requireSame(this.#isOver || this.#ended !== undefined, false, "a write after the end");
          this.#fresh.push({ chunks: [...chunks], written });
        },
        end: (cause) => {
          requireSame(this.#ended, undefined, "a second end");
          this.#ended = cause;
        },
        imported: () => {
          this.#imports++;
        },
      },
      this.#limits,
    );
  }

  /** Sends `bytes` cut at `cuts`; before the byte at each of `steps`, time passes. */
  play(bytes: Uint8Array, cuts: readonly number[], steps: readonly number[]): Played {
    const stepAt = new Set(steps);
    for (const [index, start] of cuts.entries()) {
      if (stepAt.has(start)) this.#step();
      this.#feed(bytes.subarray(start, cuts[index + 1] ?? bytes.length));
    }
    for (let i = 0; i < STEPS_TO_REST; i++) this.#step();
    this.#checkEnd();
    if (this.#ended === undefined) this.#rest();
    this.#disconnect();
    return { output: joined(this.#output), ended: endOf(this.#ended) };
  }

  #feed(bytes: Uint8Array): void {
    if (this.#ended !== undefined) return;
    this.#oracle.send(bytes);
    // A copy that is spoiled afterwards: bytes are not kept after the call.
    const own = bytes.slice();
    this.#server.receive(own);
    own.fill(0xdd);
    this.#settle();
    this.#checkEnd();
  }

  #step(): void {
    this.#leave();
    this.#device.step();
    this.#settle();
    this.#loop.advance(STEP_MS);
    this.#settle();
  }

  #settle(): void {
    this.#loop.settle();
    this.#oracle.taken();
    for (const { chunks, written } of this.#fresh.splice(0)) {
      const copy = joined(chunks);
      this.#output.push(copy);
      this.#leaving.push({ chunks, copy, answered: this.#oracle.receive(copy), written });
    }
    if (!this.#setting.slowReader) this.#leave();
  }

  #leave(): void {
    for (const { chunks, copy, answered, written } of this.#leaving.splice(0)) {
      requireSameBytes(joined(chunks), copy, "what was written, when it left");
      written();
      this.#oracle.left(answered);
    }
  }

  #checkEnd(): void {
    if (this.#ended instanceof ProtocolError) {
      const { faults } = this.#oracle;
      requireSame(faults.includes(this.#ended.code), true, `${String(this.#ended)} among ${String(faults)}`);
    } else if (this.#ended === undefined && !this.#device.isOpening) {
      requireSame(this.#oracle.faults.length, 0, `unseen faults (${String(this.#oracle.faults)})`);
    }
  }

  /** Everything that can be answered has been; ends the session as the setting says. */
  #rest(): void {
    if (this.#setting.ending === "disconnect" || this.#imports === 0) return;
    if (this.#setting.ending === "unplug") {
      this.#device.unplug();
      this.#settle();
      requireSame(this.#ended, "unplugged", "end of the session");
    } else {
      this.#device.finishAll();
      this.#settle();
      this.#leave();
      this.#probe();
    }
    requireSame(this.#oracle.unanswered, "", "requests without an answer");
  }

  /** After all has been answered a session has all its memory again. */
  #probe(): void {
    if (this.#oracle.isInsideMessage || this.#device.configuration !== 1) return;
    const first = 0x7000_0000;
    const { urbs, bytes } = FEW;
    const lengths = [...Array.from({ length: urbs - 1 }, () => 64), (bytes >> 1) - HEADER];
    for (const [i, length] of lengths.entries()) {
      this.#feed(submit({ seqnum: first + i, ep: 2, in: true, length }));
    }
    requireSame(this.#device.inFlight, urbs, "URBs in flight of as many as the limit allows");
    for (const i of lengths.keys()) this.#feed(unlink(first + 1000 + i, first + i));
    this.#step();
    this.#leave();
  }

  #disconnect(): void {
    let closed = 0;
    this.#isOver = true;
    this.#server.disconnected(() => closed++);
    for (let i = 0; i < 2; i++) {
      this.#device.step();
      this.#loop.settle();
    }
    for (const { written } of this.#leaving.splice(0)) written();
    requireSame(closed, 1, "calls of closed");
    requireSame(this.#device.isOpen, false, "an open device after the end");
    requireSame(this.#device.inFlight, 0, "URBs in flight after the end");
    this.#server.receive(importOf("1-2"));
    this.#loop.settle();
  }

  #exports(): Exports {
    const busy = new HeldDevice();
    busy.refusal = { reason: "busy", message: "busy" };
    const broken = new HeldDevice();
    Object.defineProperty(broken, "descriptors", { value: busy.descriptors.subarray(0, 40) });
    const devices: readonly ExportedDevice[] = [this.#device, busy, broken].map((device, index) => ({
      busid: `1-${index + 2}`,
      path: `/fuzz/${index}`,
      busnum: 1,
      devnum: index + 2,
      device,
      attached: false,
    }));
    return { devices: () => devices, find: (busid) => devices.find((device) => device.busid === busid) };
  }
}

function endOf(cause: EndCause | undefined): string | undefined {
  return cause instanceof ProtocolError ? cause.code : cause;
}
