import { ProtocolError } from "../wire/protocol-error.ts";
import { readReplyHead } from "./device-import.ts";
import { decodeDevice } from "./event-frame.ts";
import {
  EVENT_LENGTH_MAX,
  EVENTS_VERSION,
  EventCode,
  EventHeader,
  EventRemoved,
  EventsReply,
  EventsRequest,
  type PushedDevice,
} from "./event-pdu.ts";
import { OpCode, OpCommon, OpStatus, USBIP_VERSION } from "./pdu.ts";

/** Far above any host: the kernel's client has 1,920 ports at most. */
const MAX_DEVICES = 4096;
/** A host that may be silent for longer is not noticed when it dies. */
const ALIVE_SECONDS_MAX = 300;
const REPLY_SIZE = OpCommon.size + EventsReply.size;

/** What a host says to OP_REQ_EVENTS. */
export type HostMessage =
  | { readonly kind: "accepted"; readonly aliveSeconds: number }
  /** It speaks another version of this, or pushes no events. */
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "present" | "added" | "changed"; readonly device: PushedDevice }
  | { readonly kind: "snapshot-end" }
  | { readonly kind: "removed"; readonly busid: string }
  | { readonly kind: "alive" }
  /** It broke the protocol. Nothing follows. */
  | { readonly kind: "failed"; readonly error: ProtocolError };

/** Client side of OP_REQ_EVENTS: fed the bytes of the host, it tells what they say. */
export class DeviceEventsRequest {
  /** What to send to the host. */
  readonly request: Uint8Array;
  readonly #tell: (message: HostMessage) => void;
  readonly #present = new Set<string>();
  #unread: Uint8Array = new Uint8Array(0);
  #phase: "reply" | "snapshot" | "changes" | "over" = "reply";
  #sequence = 0;

  constructor(tell: (message: HostMessage) => void) {
    this.#tell = tell;
    this.request = new Uint8Array(OpCommon.size + EventsRequest.size);
    OpCommon.encodeInto({ version: USBIP_VERSION, code: OpCode.OP_REQ_EVENTS, status: 0 }, this.request, 0);
    EventsRequest.encodeInto({ events_version: EVENTS_VERSION }, this.request, OpCommon.size);
  }

  /** Bytes of the host, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void {
    if (this.#phase === "over") return;
    const unread = new Uint8Array(this.#unread.length + bytes.length);
    unread.set(this.#unread);
    unread.set(bytes, this.#unread.length);
    let at = 0;
    for (;;) {
      const size = this.#phase === "reply" ? this.#readReply(unread) : this.#readEvent(unread, at);
      if (size instanceof ProtocolError) {
        this.#phase = "over";
        this.#tell({ kind: "failed", error: size });
      }
      // What is told may have ended it.
      if (this.#isOver || typeof size !== "number") break;
      at += size;
    }
    this.#unread = unread.slice(at);
  }

  /** Nothing more is told. */
  close(): void {
    this.#phase = "over";
  }

  get #isOver(): boolean {
    return this.#phase === "over";
  }

  /** The size of what was taken, or nothing while it is not whole. */
  #readReply(bytes: Uint8Array): number | ProtocolError | undefined {
    if (bytes.length < OpCommon.size) return undefined;
    const status = readReplyHead(bytes, OpCode.OP_REP_EVENTS, "OP_REP_EVENTS");
    if (status instanceof ProtocolError) return status;
    if (status !== OpStatus.ST_OK) {
      this.#phase = "over";
      this.#tell({ kind: "refused", status });
      return OpCommon.size;
    }
    if (bytes.length < REPLY_SIZE) return undefined;
    const version = EventsReply.events_version(bytes, OpCommon.size);
    const aliveSeconds = EventsReply.alive_seconds(bytes, OpCommon.size);
    if (version !== EVENTS_VERSION) {
      return new ProtocolError(
        "BAD_VERSION",
        `events of version ${version} come, ${EVENTS_VERSION} was asked for`,
      );
    }
    if (aliveSeconds === 0 || aliveSeconds > ALIVE_SECONDS_MAX) {
      return new ProtocolError("BAD_FIELD", `the host may be silent for ${aliveSeconds} s`);
    }
    this.#phase = "snapshot";
    this.#tell({ kind: "accepted", aliveSeconds });
    return REPLY_SIZE;
  }

  #readEvent(bytes: Uint8Array, at: number): number | ProtocolError | undefined {
    if (bytes.length - at < EventHeader.size) return undefined;
    const length = EventHeader.length(bytes, at);
    const expected = (this.#sequence + 1) >>> 0;
    const sequence = EventHeader.sequence(bytes, at);
    if (length > EVENT_LENGTH_MAX) {
      return new ProtocolError(
        "BAD_LENGTH",
        `an event of ${length} bytes, where ${EVENT_LENGTH_MAX} are the most`,
      );
    }
    if (sequence !== expected) {
      return new ProtocolError("BAD_FIELD", `event ${sequence} comes where ${expected} does`);
    }
    const bodyAt = at + EventHeader.size;
    if (bytes.length < bodyAt + length) return undefined;
    this.#sequence = sequence;
    const message = this.#understand(EventHeader.kind(bytes, at), bytes.subarray(bodyAt, bodyAt + length));
    if (message instanceof ProtocolError) return message;
    if (message !== undefined) this.#tell(message);
    return EventHeader.size + length;
  }

  /** Nothing for an event that a later usbferry may have added. */
  #understand(code: number, body: Uint8Array): HostMessage | ProtocolError | undefined {
    switch (code) {
      case EventCode.PRESENT:
      case EventCode.ADDED:
      case EventCode.CHANGED:
        return this.#device(code, body);
      case EventCode.REMOVED: {
        if (body.length !== EventRemoved.size) return wrongLength(code, body);
        const busid = EventRemoved.busid(body, 0);
        if (this.#phase !== "changes" || !this.#present.delete(busid)) return outOfPlace(code, busid);
        return { kind: "removed", busid };
      }
      case EventCode.SNAPSHOT_END:
        if (body.length > 0) return wrongLength(code, body);
        if (this.#phase !== "snapshot") return outOfPlace(code, "");
        this.#phase = "changes";
        return { kind: "snapshot-end" };
      case EventCode.ALIVE:
        return body.length > 0 ? wrongLength(code, body) : { kind: "alive" };
      default:
        return undefined;
    }
  }

  #device(code: 1 | 3 | 4, body: Uint8Array): HostMessage | ProtocolError {
    const device = decodeDevice(body);
    if (device instanceof ProtocolError) return device;
    const { busid } = device;
    const isRightTime = (code === EventCode.PRESENT) === (this.#phase === "snapshot");
    const isKnown = this.#present.has(busid);
    if (!isRightTime || busid === "" || isKnown !== (code === EventCode.CHANGED))
      return outOfPlace(code, busid);
    if (!isKnown && this.#present.size >= MAX_DEVICES) {
      return new ProtocolError("BAD_LENGTH", `the host has more than ${MAX_DEVICES} devices`);
    }
    this.#present.add(busid);
    return { kind: KINDS[code], device };
  }
}

const KINDS = {
  [EventCode.PRESENT]: "present",
  [EventCode.ADDED]: "added",
  [EventCode.CHANGED]: "changed",
} as const;

function wrongLength(code: number, body: Uint8Array): ProtocolError {
  return new ProtocolError("BAD_LENGTH", `event ${code} has ${body.length} bytes`);
}

function outOfPlace(code: number, busid: string): ProtocolError {
  return new ProtocolError("BAD_FIELD", `event ${code} of "${busid}" is not possible here`);
}
