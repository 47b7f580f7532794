import type { LinkError } from "../links/link-error.ts";
import type { EndCause } from "../usbip/server.ts";
import type { ProtocolError, ProtocolErrorCode } from "../wire/protocol-error.ts";

/** Stable codes of the one line that each session leaves in the log. Each is a heading of docs/errors.md. */
export type SessionCode =
  /** The peer got what it asked for and closed. */
  | "OK"
  /** The peer closed before it had asked for anything. */
  | "DISCONNECTED"
  /** The connection broke: its machine, the network or its program. */
  | "LINK_LOST"
  /** The device was taken away. */
  | "UNPLUGGED"
  /** This host stopped. */
  | "STOPPED"
  /** Somebody who may control this host or guest cut it. */
  | "KICKED"
  /** Its device is not to be shared any more. */
  | "UNBOUND"
  | ProtocolErrorCode;

export interface SessionEnd {
  readonly code: SessionCode;
  /** What happened, for a person. */
  readonly reason: string;
}

export const STOPPED: SessionEnd = { code: "STOPPED", reason: "this host stopped" };
/** The agent ends, and what it kept with it. */
export const AGENT_STOPPED: SessionEnd = { code: "STOPPED", reason: "the agent stopped" };
export const KICKED: SessionEnd = {
  code: "KICKED",
  reason: "it was cut by `usbferry kick` or the control API",
};
export const UNBOUND: SessionEnd = { code: "UNBOUND", reason: "its device was unbound (`usbferry unbind`)" };
/** The controller of a VM gives a device back. */
export const UNPLUGGED: SessionEnd = { code: "UNPLUGGED", reason: "it was taken from its virtual machine" };

/** Ends that somebody wanted. */
export function isWanted({ code }: SessionEnd): boolean {
  return code === "OK" || code === "STOPPED" || code === "KICKED" || code === "UNBOUND";
}

export function endBySession(cause: EndCause): SessionEnd {
  return cause === "unplugged"
    ? { code: "UNPLUGGED", reason: "the device was unplugged" }
    : endByProtocol(cause);
}

export function endByProtocol(error: ProtocolError): SessionEnd {
  return { code: error.code, reason: error.message };
}

/** The link ended by itself: `asked` tells whether the peer had asked for something. */
export function endByLink(cause: LinkError | undefined, asked: boolean): SessionEnd {
  if (cause !== undefined) return { code: "LINK_LOST", reason: cause.message };
  return asked
    ? { code: "OK", reason: "the peer closed" }
    : { code: "DISCONNECTED", reason: "the peer closed before it had asked for anything" };
}
