import type { OpenError, UsbDevice, UsbHost } from "../usb/device.ts";
import { EndpointMap } from "../usb/endpoint-map.ts";
import type { Loop } from "../usb/loop.ts";
import type { TransferCounters } from "../usb/transfer-counters.ts";
import type { Urb } from "../usb/urb.ts";
import type { SessionTrace } from "../usb/urb-trace.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { describeDevice, encodeListed } from "./device-record.ts";
import { EVENTS_VERSION } from "./event-pdu.ts";
import { EventPush } from "./event-push.ts";
import type { ExportedDevice, Exports } from "./exports.ts";
import { type HandshakeRequest, readRequest } from "./handshake.ts";
import { DeviceRecord, DevlistReply, OpCode, OpCommon, OpStatus, USBIP_VERSION } from "./pdu.ts";
import { SESSION_LIMITS, type SessionLimits } from "./session-limits.ts";
import { UrbSession } from "./urb-session.ts";

/** Why the server ends a conversation: the peer broke the protocol, or its device is gone. */
export type EndCause = ProtocolError | "unplugged";

export type ImportRefusalCode =
  /** No device has this bus id, or it has been unplugged. */
  | "NO_DEVICE"
  /** Somebody else has it. */
  | "DEVICE_BUSY"
  /** A rule of this host, or its operating system, refuses it. */
  | "DEVICE_DENIED"
  /** It could not be opened, or does not describe itself. */
  | "DEVICE_FAILED";

/** Why an import is refused, for those who watch the host: the peer learns a status alone. */
export interface ImportRefusal {
  readonly code: ImportRefusalCode;
  readonly message: string;
}

/** What the engine asks of the connection it serves. */
export interface ServerOutput {
  /** The chunks belong to the engine again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** The conversation is over: send what was written, close, and call `disconnected`. */
  end(cause: EndCause): void;
  /** A device is being opened, which may take a while: nobody else is to have it until `refused`, or `disconnected` is done. */
  opening?(exported: ExportedDevice): void;
  /** A device was imported over this connection; it is given back by `disconnected`. */
  imported(exported: ExportedDevice, counters: TransferCounters): void;
  /** An import was refused; the conversation goes on. */
  refused?(busid: string, refusal: ImportRefusal): void;
  /**
   * Takes the conversation to where a distant device is served: `request` is what the peer has said from the import
   * on, unanswered, and nothing more is to be fed here. False if the connection cannot be taken there.
   */
  handOver?(exported: ExportedDevice, request: Uint8Array): boolean;
}

/** Bytes that a client may send behind an import before it has read the reply. Linux sends none. */
const EARLY_BYTES = 64 << 10;

/** Answers to requests that may wait for the peer to read them. */
const UNREAD_ANSWERS = 1 << 20;

/** What the peer owes, see `UsbipServer.phase`. */
export type ServerPhase = "request" | "another" | "events" | "urbs" | "over";

/**
 * Server side of one USB/IP connection: requests of the handshake first, then URBs of one device after a
 * successful import, or events. Fed bytes, it asks for bytes to be written; it does no I/O.
 */
export class UsbipServer {
  readonly #exports: Exports;
  readonly #loop: Loop;
  readonly #output: ServerOutput;
  readonly #limits: SessionLimits;
  readonly #trace: SessionTrace | undefined;
  #phase: ServerPhase = "request";
  /** The device has been asked to open and has not answered. */
  #opening = false;
  /** Bytes that are not a whole request yet, or came while the device is being opened. */
  #unread: Uint8Array = new Uint8Array(0);
  #answering = false;
  #unreadAnswers = 0;
  #imported: UsbDevice | undefined;
  #session: UrbSession | undefined;
  #push: EventPush | undefined;
  #afterOpening: (() => void) | undefined;

  constructor(
    exports: Exports,
    loop: Loop,
    output: ServerOutput,
    limits: SessionLimits = SESSION_LIMITS,
    trace?: SessionTrace,
  ) {
    this.#exports = exports;
    this.#loop = loop;
    this.#output = output;
    this.#limits = limits;
    this.#trace = trace;
  }

  /**
   * What the peer owes: `request` the first request, `another` a further one behind an answered one (the
   * connection may be closed without harm), `events` and `urbs` nothing, `over` nothing ever.
   */
  get phase(): ServerPhase {
    return this.#phase;
  }

  /** Bytes of the peer, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    if (this.#phase === "over") return;
    if (this.#session !== undefined) {
      this.#session.receive(bytes);
      return;
    }
    if (this.#push !== undefined) {
      this.#end(
        new ProtocolError("BAD_COMMAND", "a peer that was given events has nothing more to ask here"),
      );
      return;
    }
    this.#unread = joined(this.#unread, bytes);
    this.#handshake();
  }

  /** The connection is gone: the device is given back, then `closed` runs. */
  disconnected(closed: () => void): void {
    this.#phase = "over";
    if (this.#opening) {
      this.#afterOpening = () => this.disconnected(closed);
      return;
    }
    this.#session?.stop();
    this.#push?.stop();
    const device = this.#imported;
    this.#imported = undefined;
    if (device === undefined) closed();
    else device.close(closed);
  }

  #handshake(): void {
    // A device that refuses inside `open` leads back here; thousands of requests in one read must not nest.
    if (this.#answering) return;
    this.#answering = true;
    while (this.#phase === "request" || this.#phase === "another") {
      const request = readRequest(this.#unread);
      if (request === undefined) break;
      if (request instanceof ProtocolError) {
        this.#end(request);
        break;
      }
      const asked = this.#unread;
      this.#unread = asked.subarray(request.size);
      this.#phase = "another";
      this.#answer(request, asked);
    }
    this.#answering = false;
    if (this.#opening && this.#unread.length > EARLY_BYTES) {
      this.#end(
        new ProtocolError("FLOOD", `${this.#unread.length} bytes came before the import was answered`),
      );
    }
  }

  /** `asked` begins with the request, and may go on. */
  #answer(request: HandshakeRequest, asked: Uint8Array): void {
    // Looked at before the answer, so that one list may be as long as it has to be.
    if (this.#unreadAnswers > UNREAD_ANSWERS) {
      const waiting = `${this.#unreadAnswers} bytes of answers wait, and more requests come`;
      this.#end(new ProtocolError("PEER_NOT_READING", waiting));
      return;
    }
    switch (request.kind) {
      case "devlist":
        this.#list();
        break;
      case "import":
        this.#import(request.busid, asked);
        break;
      case "events":
        this.#pushEvents(request.version);
        break;
    }
  }

  #list(): void {
    const listed: Uint8Array[] = [];
    for (const exported of this.#exports.devices()) {
      if (exported.attached) continue;
      const description = describeDevice(exported);
      if (!(description instanceof ProtocolError)) listed.push(encodeListed(description));
    }
    this.#send([
      encodeOp(OpCode.OP_REP_DEVLIST, OpStatus.ST_OK),
      DevlistReply.encode({ ndev: listed.length }),
      ...listed,
    ]);
  }

  #pushEvents(version: number): void {
    const push = new EventPush(this.#exports, this.#loop, (chunks, written) =>
      this.#output.write(chunks, written),
    );
    if (version !== EVENTS_VERSION || !push.start()) {
      this.#send([encodeOp(OpCode.OP_REP_EVENTS, OpStatus.ST_NA)]);
      return;
    }
    this.#push = push;
    this.#phase = "events";
    if (this.#unread.length > 0) this.receive(new Uint8Array(0));
  }

  #import(busid: string, asked: Uint8Array): void {
    const exported = this.#exports.find(busid);
    if (exported === undefined) {
      this.#refuse(busid, { reason: "gone", message: "no device has this bus id" });
      return;
    }
    if ("denied" in exported) {
      this.#refuse(busid, { reason: "denied", message: exported.denied });
      return;
    }
    if (exported.attached) {
      this.#refuse(busid, { reason: "busy", message: `${busid} is in use` });
      return;
    }
    const { device } = exported;
    if (!("open" in device)) {
      this.#handOver(exported, asked);
      return;
    }
    const host: UsbHost = {
      complete: (urb: Urb) => this.#session!.complete(urb),
      // Without a session the device is already on its way back.
      unplugged: () => this.#session?.unplugged(),
    };
    this.#phase = "urbs";
    this.#opening = true;
    this.#output.opening?.(exported);
    device.open(host, this.#loop, (refused) => this.#opened(exported, device, refused));
  }

  #handOver(exported: ExportedDevice, asked: Uint8Array): void {
    if (this.#output.handOver?.(exported, asked.slice()) === true) this.#phase = "over";
    else
      this.#refuse(exported.busid, {
        reason: "failed",
        message: "the connection cannot be taken to its thread",
      });
  }

  #opened(exported: ExportedDevice, device: UsbDevice, refused: OpenError | undefined): void {
    this.#opening = false;
    if (refused === undefined) this.#imported = device;
    if (this.#phase === "over") {
      this.#afterOpening?.();
      return;
    }
    if (refused !== undefined) {
      this.#phase = "another";
      this.#refuse(exported.busid, refused);
      this.#handshake();
      return;
    }
    const { busnum, devnum } = exported;
    const map = EndpointMap.of(device.descriptors, device.speed, device.configuration);
    const description = describeDevice(exported);
    if (map instanceof ProtocolError || description instanceof ProtocolError) {
      // The refusal waits for the end of `close`: the client may ask for the device again at once.
      this.#imported = undefined;
      this.#opening = true;
      device.close(() =>
        this.#opened(exported, device, { reason: "failed", message: "unusable descriptors" }),
      );
      return;
    }
    const devid = ((busnum << 16) | devnum) >>> 0;
    const urbOutput = {
      write: (chunks: readonly Uint8Array[], written: () => void) => this.#output.write(chunks, written),
      end: (cause: EndCause) => this.#end(cause),
    };
    this.#session = new UrbSession(device, devid, map, this.#loop, urbOutput, this.#limits, this.#trace);
    this.#output.imported(exported, this.#session.counters);
    this.#send([encodeOp(OpCode.OP_REP_IMPORT, OpStatus.ST_OK), DeviceRecord.encode(description.record)]);
    const early = this.#unread;
    this.#unread = new Uint8Array(0);
    if (early.length > 0) this.#session.receive(early);
  }

  #refuse(busid: string, { reason, message }: OpenError): void {
    const { status, code } = REFUSALS[reason];
    this.#output.refused?.(busid, { code, message });
    this.#send([encodeOp(OpCode.OP_REP_IMPORT, status)]);
  }

  #send(chunks: readonly Uint8Array[]): void {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#unreadAnswers += bytes;
    this.#output.write(chunks, () => {
      this.#unreadAnswers -= bytes;
    });
  }

  #end(cause: EndCause): void {
    this.#phase = "over";
    this.#session?.stop();
    this.#push?.stop();
    this.#output.end(cause);
  }
}

const REFUSALS: Readonly<
  Record<OpenError["reason"], { readonly status: OpStatus; readonly code: ImportRefusalCode }>
> = {
  busy: { status: OpStatus.ST_DEV_BUSY, code: "DEVICE_BUSY" },
  gone: { status: OpStatus.ST_NODEV, code: "NO_DEVICE" },
  denied: { status: OpStatus.ST_NA, code: "DEVICE_DENIED" },
  failed: { status: OpStatus.ST_DEV_ERR, code: "DEVICE_FAILED" },
};

function encodeOp(code: number, status: number): Uint8Array {
  return OpCommon.encode({ version: USBIP_VERSION, code, status });
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
