import { join } from "node:path";
import { AccessDenied, Failed, type FailureKind, WrongUsage } from "./failure.ts";

/**
 * What commands and the agent say to each other: one JSON document a line over a unix socket, one question and
 * one answer per connection. A question is taken back by closing the connection.
 */
export type AgentQuestion =
  | { readonly ask: "attach"; readonly address: string; readonly device: string }
  /** To listen at `address`, and answer when the first device is attached; the listening goes on. */
  | { readonly ask: "wait"; readonly address: string; readonly device?: string }
  | { readonly ask: "detach"; readonly port: number }
  | { readonly ask: "detach-all" }
  | { readonly ask: "state" };

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

export type AgentAnswer =
  | { readonly answer: "attached"; readonly device: AgentDevice }
  /** Ports that are free again: those asked for that the agent kept. */
  | { readonly answer: "detached"; readonly ports: readonly number[] }
  | { readonly answer: "state"; readonly state: AgentState }
  | { readonly answer: "failure"; readonly kind: FailureKind; readonly message: string };

/** The agent of root serves the kernel; another user's can only be for looking. */
export function agentSocket(): string {
  const { USBFERRY_AGENT, XDG_RUNTIME_DIR } = process.env;
  if (USBFERRY_AGENT !== undefined && USBFERRY_AGENT !== "") return USBFERRY_AGENT;
  const isRoot = process.getuid?.() === 0;
  const folder =
    isRoot || XDG_RUNTIME_DIR === undefined ? "/run/usbferry" : join(XDG_RUNTIME_DIR, "usbferry");
  return join(folder, "agent.sock");
}

/** The failure that the agent had, as if it had happened here. */
export function failureOf(kind: FailureKind, message: string): Error {
  switch (kind) {
    case "wrong usage":
      return new WrongUsage(message);
    case "access denied":
      return new AccessDenied(message);
    case "failed":
      return new Failed(message);
    case "defect":
      return new Error(message);
  }
}

/** A line longer than this is no question of ours. */
const LINE_BYTES = 64 << 10;

/** Cuts the bytes of one side into documents. What is none is answered with false, and ends the conversation. */
export class DocumentLines {
  readonly #take: (document: unknown) => void;
  #rest = Buffer.alloc(0);

  constructor(take: (document: unknown) => void) {
    this.#take = take;
  }

  receive(bytes: Uint8Array): boolean {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let end = this.#rest.indexOf(10); end >= 0; end = this.#rest.indexOf(10)) {
      const line = this.#rest.toString("utf8", 0, end);
      this.#rest = this.#rest.subarray(end + 1);
      let document: unknown;
      try {
        document = JSON.parse(line);
      } catch {
        return false;
      }
      this.#take(document);
    }
    return this.#rest.length <= LINE_BYTES;
  }
}

export function documentLine(document: AgentQuestion | AgentAnswer): Uint8Array {
  return Buffer.from(`${JSON.stringify(document)}\n`);
}
