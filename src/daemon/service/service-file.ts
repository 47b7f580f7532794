/** A file by which a machine runs a part of usbferry. */
export interface ServiceFile {
  readonly path: string;
  readonly text: string;
}

/** The first line of each: what does not have it was written or changed by somebody else, and is left alone. */
export const MARK = "Written by `usbferry service install`; `usbferry service remove` takes it away.";

/** What runs: the host, which shares devices, or the agent, which keeps what is attached here. */
export type ServicePart = "host" | "agent";

/** How this usbferry is started. */
export interface Program {
  /** Absolute path of the program that runs scripts, and its options. */
  readonly runtime: readonly string[];
  /** Absolute path of our script. */
  readonly script: string;
}

/** What a service of this machine is to be. */
export interface ServicePlan {
  readonly part: ServicePart;
  readonly program: Program;
  /** The configuration of the host. */
  readonly config: string;
  /** Addresses where the service manager listens, so that the first connection starts the host. */
  readonly sockets: readonly string[];
}
