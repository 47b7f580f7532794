import { constants, fdatasync, type OpenMode, read, type Stats, write } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BlockFailure, BlockStore } from "../../gadgets/block-store.ts";
import { CachedReads } from "../../linux/cached-reads.ts";
import { lockFile } from "../../linux/file-lock.ts";
import { SystemError } from "../../linux/system-error.ts";
import { AccessDenied, Failed } from "../failure.ts";

const BLOCK = 512;

type Done = (failure?: BlockFailure) => void;

/** The blocks of a disk in an image file. A flush is fdatasync(2). */
export class FileStore implements BlockStore {
  readonly blockSize = BLOCK;
  readonly blockCount: number;
  readonly readOnly: boolean;
  // Its descriptor is used for callbacks; the handle is kept because a collected one closes the file.
  readonly #file: FileHandle;
  /** Nothing where it cannot be told what is in memory. */
  #cached: CachedReads | undefined;

  private constructor(file: FileHandle, size: number, readOnly: boolean) {
    this.#file = file;
    this.blockCount = size / BLOCK;
    this.readOnly = readOnly;
    const cached = CachedReads.open();
    this.#cached = cached instanceof SystemError ? undefined : cached;
  }

  /** Rejects with AccessDenied or Failed: the message says what to do. */
  static async open(path: string, readOnly: boolean): Promise<FileStore> {
    const mode: OpenMode = readOnly ? constants.O_RDONLY : constants.O_RDWR;
    const file = await open(path, mode).catch((error: unknown) => {
      throw openFailure(path, readOnly, error as NodeJS.ErrnoException);
    });
    try {
      const stats = await file.stat();
      refuse(path, stats);
      lock(path, file, readOnly);
      return new FileStore(file, stats.size, readOnly);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  read(lba: number, target: Uint8Array, done: Done): void {
    this.#move("read", target, lba * BLOCK, done);
  }

  /** Of what the system has in memory, copied at once: a thread that reads takes longer to come and go than that. */
  readNow(lba: number, target: Uint8Array): boolean {
    const outcome = this.#cached?.read(this.#file.fd, target, lba * BLOCK);
    if (outcome instanceof SystemError) this.#cached = undefined;
    return outcome === true;
  }

  write(lba: number, source: Uint8Array, done: Done): void {
    this.#move("write", source, lba * BLOCK, done);
  }

  flush(done: Done): void {
    if (this.readOnly) done();
    else fdatasync(this.#file.fd, (error) => done(failureOf(error)));
  }

  /** Flushes and closes. Rejects with Failed if what was written may be lost. */
  async close(): Promise<void> {
    const failure = await new Promise<BlockFailure | undefined>((resolve) => this.flush(resolve));
    await this.#file.close();
    if (failure !== undefined)
      throw new Failed(`the image may lack what was written last: ${failure.message}`);
  }

  #move(how: "read" | "write", bytes: Uint8Array, place: number, done: Done): void {
    const moved = (error: NodeJS.ErrnoException | null, length: number): void => {
      if (error !== null) done(failureOf(error));
      else if (length === bytes.length) done();
      else if (length === 0) done({ message: `${how} at byte ${place}: the file has become shorter` });
      else this.#move(how, bytes.subarray(length), place + length, done);
    };
    if (how === "read") read(this.#file.fd, bytes, 0, bytes.length, place, moved);
    else write(this.#file.fd, bytes, 0, bytes.length, place, moved);
  }
}

function failureOf(error: NodeJS.ErrnoException | null): BlockFailure | undefined {
  return error === null ? undefined : { message: error.message };
}

function openFailure(path: string, readOnly: boolean, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case "ENOENT":
      return new Failed(`there is no file ${path}; make one first, for example: truncate -s 64M ${path}`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new AccessDenied(
        readOnly
          ? `${path} cannot be read: ${error.message}; change its permissions`
          : `${path} cannot be written: ${error.message}; change its permissions, or share it with ro`,
      );
    case "EISDIR":
      return new Failed(`${path} is a folder; name an image file in it`);
    default:
      return new Failed(`${path} cannot be opened: ${error.message}`);
  }
}

function refuse(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new Failed(`${path} is no ordinary file; name an image file`);
  if (stats.size === 0)
    throw new Failed(`${path} is empty; give it a size, for example: truncate -s 64M ${path}`);
  if (stats.size % BLOCK !== 0) {
    const whole = Math.ceil(stats.size / BLOCK) * BLOCK;
    throw new Failed(
      `${path} has ${stats.size} bytes, which is no whole number of ${BLOCK}-byte blocks; ` +
        `make it whole with: truncate -s ${whole} ${path}`,
    );
  }
}

/** Two writers would destroy each other's file system. Where there is no flock(2), nobody is kept away. */
function lock(path: string, file: FileHandle, readOnly: boolean): void {
  const refused = lockFile(file.fd, readOnly ? "shared" : "exclusive");
  if (refused?.code === "EAGAIN") {
    throw new Failed(`${path} is in use by another program; end that one, or give each a copy of its own`);
  }
}
