import assert from "node:assert/strict";
import type { OpenError, UsbDevice } from "../../usb/device.ts";
import type { Loop } from "../../usb/loop.ts";
import type { TransferCounters } from "../../usb/transfer-counters.ts";
import type { SessionTrace } from "../../usb/urb-trace.ts";
import type { ExportedDevice } from "../../usbip/exports.ts";
import type { ImportRefusal, ImportRefusalCode } from "../../usbip/server.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { WslusbHost } from "../../wslusb/host.ts";
import type { AttachedHandle, Claim, DeviceEnd, OfferedDevice } from "../../wslusb/offered-device.ts";
import type { Conversation, ConversationOutput } from "../conversation.ts";
import { PlaneGadget } from "../data-plane/plane-gadget.ts";
import type { SessionExports } from "../session.ts";
import { endBySession, KICKED, type SessionEnd } from "../session-end.ts";
import type { RingLook, SessionEntry } from "../session-registry.ts";

/** What a client that may have its devices in other ways than over USB/IP needs of the host that serves it. */
export interface ServedClientOwner {
  /** What this client may have, anew for each device, because an admission is for one. */
  admit(): SessionExports;
  /** Where the URBs of a session are written, if somebody looks for lost time. */
  traced(entry: SessionEntry): SessionTrace | undefined;
  /** The client has a device more, which counts as a session of its own; `end` takes it away, `ring` is what it came through. */
  attached(
    exported: ExportedDevice,
    counters: TransferCounters,
    end: (end: SessionEnd) => void,
    ring?: RingLook,
  ): SessionEntry;
  refused(busid: string, refusal: ImportRefusal): void;
}

const DETACHED: SessionEnd = { code: "OK", reason: "the peer gave it back" };

/** A client of WSL-USB: one connection, any number of devices, each with its rules, its audit and its session. */
export class ServedClient implements Conversation {
  readonly #owner: ServedClientOwner;
  readonly #loop: Loop;
  readonly #host: WslusbHost;
  /** For lists, and for devices that it does not get. */
  readonly #offers: SessionExports;
  readonly #forget: (() => void) | undefined;
  /** Why the connection ended. */
  #end: SessionEnd = KICKED;

  constructor(owner: ServedClientOwner, loop: Loop, output: ConversationOutput) {
    this.#owner = owner;
    this.#loop = loop;
    this.#offers = owner.admit();
    this.#host = new WslusbHost(
      { devices: () => this.#offered(), claim: (busid) => this.#claim(busid, output) },
      loop,
      output,
    );
    this.#forget = this.#offers.watch?.(() => this.#host.offersChanged());
  }

  get phase(): Conversation["phase"] {
    const { phase } = this.#host;
    if (phase === "open") return this.#host.isUsed ? "devices" : "unused";
    return phase === "over" ? "over" : "request";
  }

  receive(bytes: Uint8Array): void {
    this.#host.receive(bytes);
  }

  leave(end: SessionEnd): void {
    this.#end = end;
    // Whatever else this host ends a conversation for is no fault of the client.
    const code = end.code === "HANDSHAKE_TIMEOUT" ? end.code : "ENDED";
    this.#host.leave(new ProtocolError(code, end.reason));
  }

  disconnected(closed: () => void, end: SessionEnd): void {
    this.#end = end;
    this.#forget?.();
    this.#host.disconnected(closed);
  }

  *#offered(): Iterable<OfferedDevice> {
    for (const { busid, path, device, attached, serial } of this.#offers.devices()) {
      yield { busid, description: path, serial, device, attached };
    }
  }

  #claim(busid: string, output: ConversationOutput): Claim | OpenError {
    const found = this.#offers.find(busid);
    if (found === undefined)
      return this.#refuse(busid, { reason: "gone", message: "no device has this bus id" });
    if ("denied" in found) return this.#refuse(busid, { reason: "denied", message: found.denied });
    if (found.attached) return this.#refuse(busid, { reason: "busy", message: `${busid} is in use` });
    const exports = this.#owner.admit();
    exports.find(busid);
    const sinceMs = this.#loop.now();
    let entry: SessionEntry | undefined;
    let takenBack: SessionEnd | undefined;
    // From here on: it may take a while to open, and nobody else is to try meanwhile.
    exports.take();
    return {
      device: deviceOf(found),
      attached: (handle: AttachedHandle) => {
        exports.imported(handle.counters);
        entry = this.#owner.attached(found, handle.counters, (end) => {
          takenBack = end;
          handle.takeBack();
        });
        return this.#owner.traced(entry);
      },
      refused: (error) => {
        giveBack(exports, found);
        this.#refuse(busid, error);
      },
      configured: () => exports.changed?.(),
      closed: (cause) => {
        const end = this.#endBy(cause, takenBack);
        exports.returned(end, Math.round(this.#loop.now() - sinceMs));
        giveBack(exports, found);
        entry?.ended(end);
        output.restless();
      },
    };
  }

  #endBy(cause: DeviceEnd, takenBack: SessionEnd | undefined): SessionEnd {
    switch (cause) {
      case "detached":
        return DETACHED;
      case "unplugged":
        return endBySession("unplugged");
      case "taken back":
        return takenBack ?? KICKED;
      case "disconnected":
        return this.#end;
    }
  }

  #refuse(busid: string, error: OpenError): OpenError {
    this.#owner.refused(busid, { code: REFUSALS[error.reason], message: error.message });
    return error;
  }
}

export const REFUSALS: Readonly<Record<OpenError["reason"], ImportRefusalCode>> = {
  busy: "DEVICE_BUSY",
  gone: "NO_DEVICE",
  denied: "DEVICE_DENIED",
  failed: "DEVICE_FAILED",
};

/** The device itself, or the one like it that stands for it on this thread; `giveBack` follows. */
export function deviceOf({ device }: ExportedDevice): UsbDevice {
  if ("open" in device) return device;
  assert(device instanceof PlaneGadget, "the worker has gadgets alone");
  return device.borrow();
}

/** Nobody has it any more, and others may. */
export function giveBack(exports: SessionExports, { device }: ExportedDevice): void {
  if (device instanceof PlaneGadget) device.giveBack();
  exports.giveBack();
}
