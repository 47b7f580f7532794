import { closeSync, fstatSync } from "node:fs";
import { Arena } from "../linux/arena.ts";
import { lockFile } from "../linux/file-lock.ts";
import { SystemError } from "../linux/system-error.ts";
import { SHARED_MEMORY_MAX, SHARED_MEMORY_MIN } from "./handover.ts";
import { LinkError, linkError } from "./link-error.ts";

/** Memory of a file that no other process has: one thread writes to a ring. */
export class WholeFile {
  readonly memory: Arena;
  /** Its lock keeps the others out. */
  readonly #fd: number;

  constructor(memory: Arena, fd: number) {
    this.memory = memory;
    this.#fd = fd;
  }

  /** As `Arena.free`; to be done once. */
  release(): void {
    this.memory.free();
    closeSync(this.#fd);
  }
}

/** Maps all of a file for this process alone; closes it if that fails. `subject` is what it is called. */
export function mapWholeFile(fd: number, subject: string): WholeFile | LinkError {
  const memory = map(fd, subject);
  if (memory instanceof Arena) return new WholeFile(memory, fd);
  closeSync(fd);
  return memory instanceof SystemError ? linkError("dial", subject, memory) : memory;
}

function map(fd: number, subject: string): Arena | SystemError | LinkError {
  const { size } = fstatSync(fd);
  const isUsable = size >= SHARED_MEMORY_MIN && size <= SHARED_MEMORY_MAX && (size & (size - 1)) === 0;
  if (!isUsable) {
    return new LinkError(
      "BAD_MEMORY",
      `cannot reach ${subject}: its memory has ${size} bytes (BAD_MEMORY). ` +
        "Give the memory backend of the ivshmem device a size of 4M, 8M, 16M, ... up to 256M.",
    );
  }
  const locked = lockFile(fd, "exclusive");
  if (locked?.code === "EAGAIN") {
    return new LinkError(
      "EBUSY",
      `cannot reach ${subject}: another process has its memory (EBUSY). In a guest that is the agent: ` +
        "`usbferry ports` shows what it has attached. At a host it is another `usbferry serve`.",
    );
  }
  return locked ?? Arena.of(fd, size);
}
