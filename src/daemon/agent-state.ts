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
}

export interface AgentState {
  readonly pid: number;
  readonly devices: readonly AgentDevice[];
  /** Where hosts are waited for. */
  readonly waiting: readonly { readonly address: string; readonly device?: string }[];
}
