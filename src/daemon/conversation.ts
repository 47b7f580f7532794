import type { ProtocolError } from "../wire/protocol-error.ts";
import type { SessionEnd } from "./session-end.ts";

/** What a session speaks with its client, from the first bytes on: an engine, and who owns its devices. */
export interface Conversation {
  /**
   * What the client owes: `request` its first request, `another` a further one (the connection may be closed without
   * harm), `unused` some use for the connection, `events`, `urbs` and `devices` nothing, `over` nothing ever.
   */
  readonly phase: "request" | "another" | "unused" | "events" | "urbs" | "devices" | "over";
  /** Bytes of the client, cut anywhere. They are not kept after the call. */
  receive(bytes: Uint8Array): void;
  /** Where the protocol can say it: tells the client why it is over, and takes all devices back. `end` follows. */
  leave?(end: SessionEnd): void;
  /** The connection is gone: all devices are given back, then `closed` runs. */
  disconnected(closed: () => void, end: SessionEnd): void;
}

/** What a conversation asks of its session. */
export interface ConversationOutput {
  /** The chunks belong to the conversation again when `written` runs. */
  write(chunks: readonly Uint8Array[], written: () => void): void;
  /** Send what was written, close, and call `disconnected`. */
  end(error: ProtocolError): void;
  /** What the client owes has changed, and not because it said something: look at the clock for it. */
  restless(): void;
}
