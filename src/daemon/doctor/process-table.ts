import type { SystemRoot } from "./system-root.ts";

/** A program, and what it has open in /dev or of usbmon. */
export interface Holder {
  readonly pid: number;
  readonly program: string;
  /** The path as the kernel tells it. */
  readonly path: string;
  /** `major:minor` where it is a device. */
  readonly device: string | undefined;
}

/** Programs that run, as far as this user may see them: others' descriptors are root's to read. */
export class ProcessTable {
  readonly #root: SystemRoot;

  constructor(root: SystemRoot) {
    this.#root = root;
  }

  /** Names as the kernel keeps them: at most 15 characters. */
  get programs(): ReadonlySet<string> {
    return new Set(this.#pids().map((pid) => this.program(pid)));
  }

  program(pid: number): string {
    return this.#root.text(`proc/${pid}/comm`) ?? "";
  }

  /** What is open below /dev, and of usbmon in debugfs, by everybody but this process. */
  holders(): readonly Holder[] {
    return this.#pids()
      .filter((pid) => pid !== process.pid)
      .flatMap((pid) => this.#heldBy(pid));
  }

  #heldBy(pid: number): readonly Holder[] {
    const descriptors = `proc/${pid}/fd`;
    return this.#root.names(descriptors).flatMap((fd) => {
      const path = this.#root.link(`${descriptors}/${fd}`) ?? "";
      // Only these are looked at closer: a file of a network's file system may not answer.
      if (!/^\/(dev|sys\/kernel\/debug)\//.test(path)) return [];
      return [
        { pid, program: this.program(pid), path, device: this.#root.deviceNumber(`${descriptors}/${fd}`) },
      ];
    });
  }

  #pids(): readonly number[] {
    return this.#root
      .names("proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  }
}
