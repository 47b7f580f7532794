import type { LinkError } from "./link-error.ts";

/** What this machine shows of itself, in PEM. */
export interface TlsIdentity {
  readonly key: string;
  readonly certificate: string;
}

/** A machine that was paired with this one. */
export interface PairedMachine {
  /** As this machine calls it. */
  readonly name: string;
  /** SHA-256 of its certificate, in hexadecimal. */
  readonly fingerprint: string;
  /** Hosts of `tls:HOST:PORT` under which it is expected, beside its name. */
  readonly hosts: readonly string[];
}

/** Who this machine is to others, and whom it trusts. It is asked for each connection anew. */
export interface TlsTrust {
  identity(): Promise<TlsIdentity>;
  machines(): Promise<readonly PairedMachine[]>;
}

/** Hears why somebody who dialled was sent away. */
export type TurnedAway = (why: LinkError) => void;
