/** What can happen to a device, in the eyes of whoever watches this host or guest. */
export const EVENT_KINDS = [
  "added",
  "removed",
  "changed",
  "attached",
  "detached",
  "refused",
  "error",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Which device, by what a person calls it. */
export interface DeviceIdentity {
  readonly busid: string;
  /** Four hexadecimal digits each; absent for a device whose descriptors cannot be read. */
  readonly vid?: string;
  readonly pid?: string;
  readonly speed?: string;
}

/** What an event tells beside its kind. */
export interface EventFacts {
  readonly device?: DeviceIdentity;
  /** Who has it, had it or wanted it. */
  readonly peer?: string;
  /** Of the host. */
  readonly session?: string;
  /** Of the guest's kernel. */
  readonly port?: number;
  /** A heading of docs/errors.md. */
  readonly code?: string;
  /** For a person. */
  readonly reason?: string;
}

/** The one value that every push channel carries. */
export interface DeviceEvent extends EventFacts {
  /** One more than that of the event before; a run of the program begins above all runs before it. */
  readonly sequence: number;
  /** ISO 8601. */
  readonly time: string;
  readonly kind: EventKind;
}
