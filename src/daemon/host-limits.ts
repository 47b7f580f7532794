/** What peers may cost this host before they are sent away. */
export interface HostLimits {
  /** Connections that have no device. */
  readonly withoutDevice: number;
  /** Connections of every kind. */
  readonly connections: number;
  /** How long a connection may live without a device. */
  readonly handshakeMs: number;
  /** How long a peer whose request was answered may wait with another one. */
  readonly anotherMs: number;
  /** How long a peer may take nothing of what it was sent. Less than TCP takes to call it dead (links/tcp.ts). */
  readonly stallMs: number;
  /** How long a peer may keep its side open after we have closed ours. */
  readonly lingerMs: number;
  /** How long stopping waits for peers to close. */
  readonly drainMs: number;
}

export const HOST_LIMITS: HostLimits = {
  withoutDevice: 1024,
  connections: 2048,
  handshakeMs: 10_000,
  anotherMs: 1_000,
  stallMs: 8_000,
  lingerMs: 1_000,
  drainMs: 2_000,
};
