import { dirname } from "node:path";
import type { TSchema } from "@sinclair/typebox";
import type { CheckedDocument } from "../checked-document.ts";
import { Failed } from "../failure.ts";
import { type Disk, LOCAL_DISK } from "./disk.ts";

/** One kind of state: its file, and what stands in it. */
export interface StateKind<T> {
  /** "rules.json" */
  readonly file: string;
  readonly version: number;
  /** Of T. */
  readonly schema: TSchema;
  /** What holds while there is no file. */
  readonly empty: T;
  /** Throws what a schema cannot find. */
  check(document: CheckedDocument<T>): void;
}

/** A value that is kept somewhere. */
export interface ChangeableState<T> {
  readonly value: T;
  change(edit: (value: T) => T): Promise<T>;
}

interface Change<T> {
  readonly edit: (value: T) => T;
  readonly done: (value: T) => void;
  readonly failed: (cause: unknown) => void;
}

/**
 * A value in a file that is whole at every moment, also behind a loss of power: a new file is written and made
 * durable before it takes the name of the old one. One process at a time has it; see StateLock.
 */
export class StateStore<T> implements ChangeableState<T> {
  readonly path: string;
  readonly #disk: Disk;
  #value: T;
  readonly #changes: Change<T>[] = [];
  #writing: Promise<void> | undefined;

  private constructor(path: string, disk: Disk, value: T) {
    this.path = path;
    this.#disk = disk;
    this.#value = value;
  }

  /** Reads the file and removes what an interrupted change left. Rejects with Failed if it is damaged. */
  static async open<T>(path: string, kind: StateKind<T>, disk: Disk = LOCAL_DISK): Promise<StateStore<T>> {
    const value = (await readState(path, kind, disk)) as T;
    await disk.unlink(newPath(path));
    return new StateStore(path, disk, value);
  }

  /** What is durable. */
  get value(): T {
    return this.#value;
  }

  /**
   * Resolves with the new value when it is durable; changes that wait for the disk together are written
   * together. An edit that throws changes nothing, and the promise rejects with what it threw.
   */
  change(edit: (value: T) => T): Promise<T> {
    return new Promise((done, failed) => {
      this.#changes.push({ edit, done, failed });
      this.#writing ??= this.#writeChanges();
    });
  }

  /** Resolves when no change is on its way. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #writeChanges(): Promise<void> {
    // What is asked for in this turn is written together.
    await Promise.resolve();
    while (this.#changes.length > 0) {
      const made: Change<T>[] = [];
      let value = this.#value;
      for (const change of this.#changes.splice(0)) {
        try {
          value = change.edit(value);
          made.push(change);
        } catch (cause) {
          change.failed(cause);
        }
      }
      if (made.length === 0) continue;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one writer: the next round holds what came meanwhile
        await this.#write(value);
      } catch (cause) {
        const failure = notWritten(this.path, cause as Error);
        for (const { failed } of made) failed(failure);
        continue;
      }
      this.#value = value;
      for (const { done } of made) done(value);
    }
    this.#writing = undefined;
  }

  async #write(value: T): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
    const path = newPath(this.path);
    try {
      const file = await this.#disk.create(path);
      try {
        await file.write(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#disk.rename(path, this.path);
    } catch (error) {
      await this.#disk.unlink(path);
      throw error;
    }
    // Until the folder is durable the old file may come back.
    await this.#disk.syncFolder(dirname(this.path));
  }
}

/** Reads a state without the right to change it. Rejects with Failed if the file is damaged or cannot be read. */
export async function readState<T>(path: string, kind: StateKind<T>, disk: Disk = LOCAL_DISK): Promise<T> {
  const bytes = await disk.read(path).catch((cause: Error) => {
    throw new Failed(`the state ${path} cannot be read: ${cause.message}. Run it as the user who owns it.`, {
      cause,
    });
  });
  if (bytes === undefined) return kind.empty;
  const advice = "Mend the line, or move the file away to begin anew; until then it is left as it is.";
  // With a parser that knows lines, which a program without a state does not need.
  const { CheckedDocument, DOCUMENT_BYTES } = await import("../checked-document.ts");
  if (bytes.length > DOCUMENT_BYTES) {
    throw new Failed(`${path} has ${bytes.length} bytes, which is more than any state has. ${advice}`);
  }
  const text = Buffer.from(bytes).toString("utf8");
  refuseOtherVersion(path, kind.version, text);
  const document = CheckedDocument.read(kind.schema, text, path, "json", advice) as CheckedDocument<T>;
  kind.check(document);
  return document.value;
}

/** Before the schema, which knows this version alone. */
function refuseOtherVersion(path: string, version: number, text: string): void {
  let found: unknown;
  try {
    found = (JSON.parse(text) as { readonly version?: unknown } | null)?.version;
  } catch {
    return;
  }
  if (typeof found !== "number" || found === version) return;
  throw new Failed(
    `${path}, key "version": the file is of version ${found}, and this usbferry reads version ${version}. Run the ` +
      "usbferry that wrote it, or move the file away to begin anew; until then it is left as it is.",
  );
}

function newPath(path: string): string {
  return `${path}.new`;
}

function notWritten(path: string, cause: Error): Failed {
  return new Failed(
    `the change is not kept: ${path} cannot be written: ${cause.message}. Make room or mend the folder's ` +
      "permissions, then try again.",
    { cause },
  );
}
