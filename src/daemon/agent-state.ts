import type { RingFigures } from "../ring/ring-figures.ts";
import type { Watching } from "./auto/host-watch.ts";
import type { RingThread } from "./ring/ring-thread.ts";
import type { AutoWish } from "./state/wishes.ts";

/** A device that the agent keeps attached. */
export interface AgentDevice {
  readonly port: number;
  /** The host. */
  readonly address: string;
  readonly busid: string;
  readonly sysfsName: string;
  readonly node: string;
  /** It came over a connection that the host has made. */
  readonly dialledIn: boolean;
  /** The id of the wish that keeps it attached. */
  readonly wish?: string;
  /** Over shared memory. */
  readonly ring?: RingFigures;
}

/** A wish that a device be attached, and what has become of it. */
export interface KeptWishState extends AutoWish {
  readonly state: "waiting" | "attaching" | "attached";
  /** How the devices of the host are known. */
  readonly watching: Watching;
  /** Where its device is attached. */
  readonly port?: number;
  /** Why it waits, for a person. */
  readonly reason?: string;
}

export interface AgentState {
  readonly pid: number;
  readonly devices: readonly AgentDevice[];
  /** Where hosts are waited for. */
  readonly waiting: readonly { readonly address: string; readonly device?: string }[];
  /** What is kept attached. */
  readonly wishes: readonly KeptWishState[];
  /** Its thread, as far as rings are concerned. */
  readonly ring: RingThread;
}
