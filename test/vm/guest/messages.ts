/** What the runner and the agent in the guest say to each other: one JSON object per line, on a virtio-serial port. */

export interface RunResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export type Order =
  | {
      readonly order: "run";
      readonly argv: readonly string[];
      readonly input: string;
      readonly timeoutMs: number;
    }
  | { readonly order: "spawn"; readonly argv: readonly string[] }
  | { readonly order: "kill"; readonly process: number; readonly signal: string }
  | { readonly order: "read"; readonly path: string }
  | { readonly order: "write"; readonly path: string; readonly base64: string }
  | { readonly order: "list"; readonly path: string }
  | { readonly order: "mark"; readonly text: string }
  | {
      readonly order: "call";
      readonly module: string;
      readonly name: string;
      readonly args: readonly unknown[];
    };

export type Request = { readonly id: number } & Order;

export type AgentMessage =
  | { readonly message: "ready"; readonly release: string; readonly node: string }
  | { readonly message: "answer"; readonly id: number; readonly value: unknown }
  | { readonly message: "refusal"; readonly id: number; readonly error: string }
  /** Records of /dev/kmsg, as read. */
  | { readonly message: "kernel"; readonly records: readonly string[] }
  | {
      readonly message: "line";
      readonly process: number;
      readonly source: "stdout" | "stderr";
      readonly text: string;
    }
  | {
      readonly message: "exit";
      readonly process: number;
      readonly code: number | null;
      readonly signal: string | null;
    };

/** Cuts a stream of bytes into its lines, whatever the pieces it comes in. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest: Buffer[] = [];

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(0x0a, start);
      if (end < 0) break;
      this.#rest.push(Buffer.from(bytes.subarray(start, end)));
      const line = Buffer.concat(this.#rest).toString("utf8");
      this.#rest = [];
      start = end + 1;
      this.#onLine(line);
    }
    if (start < bytes.length) this.#rest.push(Buffer.from(bytes.subarray(start)));
  }
}
