/** Stable codes of everything a peer can do wrong. Each is a heading of docs/errors.md. */
export type ProtocolErrorCode =
  /** A message ended before its last field. */
  | "TRUNCATED"
  /** A version field holds a value that is not spoken here. */
  | "BAD_VERSION"
  /** A message type, operation or command that does not exist, or not in this phase. */
  | "BAD_COMMAND"
  /** A field holds a value that its document forbids. */
  | "BAD_FIELD"
  /** A length is negative or above the limit of its message. */
  | "BAD_LENGTH"
  /** A request names another device than the one this connection imported. */
  | "BAD_DEVICE"
  /** A sequence number that is still in use was used again. */
  | "DUPLICATE_SEQNUM"
  /** A reply belongs to no request. */
  | "UNKNOWN_SEQNUM"
  /** More bytes arrived than a peer may send before it has read an answer. */
  | "FLOOD"
  /** The peer does not read what it asked for. */
  | "PEER_NOT_READING"
  /** The peer owes answers, more than can be remembered. */
  | "PEER_SILENT"
  /** Nothing, or half a request, arrived within the time of the handshake. */
  | "HANDSHAKE_TIMEOUT"
  /** Nothing is wrong: the peer ends, and says so. */
  | "ENDED";

/**
 * A peer broke the protocol. A value, never thrown: it ends the session it belongs to and nothing else,
 * and `code` stands in the one log line that tells of it.
 */
export class ProtocolError {
  readonly code: ProtocolErrorCode;
  /** What was seen and what was expected, for a person. */
  readonly message: string;

  constructor(code: ProtocolErrorCode, message: string) {
    this.code = code;
    this.message = message;
  }

  toString(): string {
    return `${this.code}: ${this.message}`;
  }
}
