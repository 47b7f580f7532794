import type { Disk, DiskFile } from "../../src/daemon/state/disk.ts";

/** What a file holds: as programs see it, and what a loss of power surely leaves. */
interface Inode {
  bytes: Uint8Array;
  durable: Uint8Array;
}

type Names = ReadonlyMap<string, Inode>;

/** A change of the names of the folder. */
type NameChange = (names: Map<string, Inode>) => void;

type Call =
  | { readonly call: "create"; readonly path: string; readonly file: number }
  | { readonly call: "write"; readonly file: number; readonly bytes: Uint8Array }
  | { readonly call: "sync"; readonly file: number }
  | { readonly call: "rename"; readonly from: string; readonly to: string }
  | { readonly call: "syncFolder" }
  | { readonly call: "unlink"; readonly path: string };

export type CallName = Call["call"];

/** A disk of one folder in memory that keeps every system call; those of `without` are forgotten. */
export class RecordedDisk implements Disk {
  readonly calls: Call[] = [];
  readonly #without: CallName | undefined;
  readonly #names: Map<string, { file: number; bytes: Uint8Array }>;
  #files = 0;

  constructor(files: ReadonlyMap<string, Uint8Array> = new Map(), without?: CallName) {
    this.#without = without;
    this.#names = new Map(Array.from(files, ([path, bytes]) => [path, { file: -1, bytes }]));
  }

  get paths(): readonly string[] {
    return Array.from(this.#names.keys());
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.#names.get(path)?.bytes;
  }

  async create(path: string): Promise<DiskFile> {
    if (this.#names.has(path)) throw new Error(`EEXIST: ${path}`);
    const file = this.#files++;
    const inode = { file, bytes: new Uint8Array() };
    this.#names.set(path, inode);
    this.#keep({ call: "create", path, file });
    return {
      write: async (bytes) => {
        inode.bytes = Buffer.concat([inode.bytes, bytes]);
        this.#keep({ call: "write", file, bytes });
      },
      sync: async () => this.#keep({ call: "sync", file }),
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#names.set(to, this.#names.get(from)!);
    this.#names.delete(from);
    this.#keep({ call: "rename", from, to });
  }

  async syncFolder(): Promise<void> {
    this.#keep({ call: "syncFolder" });
  }

  async unlink(path: string): Promise<void> {
    if (this.#names.delete(path)) this.#keep({ call: "unlink", path });
  }

  #keep(call: Call): void {
    if (call.call !== this.#without) this.calls.push(call);
  }
}

/**
 * Every folder that a loss of power after these calls may leave. Data that was not synchronised is there, lost,
 * torn or zeros; of the names changed since the folder was synchronised any may be lost.
 */
export function* survivors(calls: readonly Call[]): Generator<ReadonlyMap<string, Uint8Array>> {
  const inodes = new Map<number, Inode>();
  let durable: Names = new Map();
  let changes: NameChange[] = [];
  for (const call of calls) {
    switch (call.call) {
      case "create": {
        const inode = { bytes: new Uint8Array(), durable: new Uint8Array() };
        inodes.set(call.file, inode);
        changes.push((names) => names.set(call.path, inode));
        break;
      }
      case "write": {
        const inode = inodes.get(call.file)!;
        inode.bytes = Buffer.concat([inode.bytes, call.bytes]);
        break;
      }
      case "sync": {
        const inode = inodes.get(call.file)!;
        inode.durable = inode.bytes;
        break;
      }
      case "rename": {
        // The file that bears the name now, whether or not its own creation survives.
        const inode = applied(durable, changes).get(call.from)!;
        changes.push((names) => {
          names.delete(call.from);
          names.set(call.to, inode);
        });
        break;
      }
      case "unlink":
        changes.push((names) => names.delete(call.path));
        break;
      case "syncFolder":
        durable = applied(durable, changes);
        changes = [];
        break;
    }
  }
  for (let mask = 0; mask < 2 ** changes.length; mask++) {
    const surviving = changes.filter((_, i) => (mask & (1 << i)) !== 0);
    yield* contents(Array.from(applied(durable, surviving)));
  }
}

function applied(names: Names, changes: readonly NameChange[]): Map<string, Inode> {
  const result = new Map(names);
  for (const change of changes) change(result);
  return result;
}

function* contents(names: readonly (readonly [string, Inode])[]): Generator<Map<string, Uint8Array>> {
  const [first, ...rest] = names;
  if (first === undefined) {
    yield new Map();
    return;
  }
  const [path, { bytes, durable }] = first;
  const choices =
    bytes === durable
      ? [bytes]
      : [durable, bytes, bytes.subarray(0, bytes.length >> 1), new Uint8Array(bytes.length)];
  for (const others of contents(rest)) {
    for (const choice of choices) yield new Map([[path, choice], ...others]);
  }
}
