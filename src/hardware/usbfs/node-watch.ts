import { existsSync, type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

/** Tells that something may have become of device nodes that are not there, or closed to us: with no udev, and no polling. */
export class NodeWatch {
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** From now on these, and no others. True if another folder is watched than before. */
  follow(nodes: readonly string[]): boolean {
    const folders = new Set(nodes.map(nearestFolder));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    let isNew = false;
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      const watcher = this.#watch(folder);
      if (watcher === undefined) continue;
      this.#watchers.set(folder, watcher);
      isNew = true;
    }
    return isNew;
  }

  close(): void {
    this.follow([]);
  }

  #watch(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, this.#changed);
      // A folder that went takes its nodes along, and their devices tell of it.
      watcher.on("error", () => {});
      return watcher;
    } catch {
      // Gone meanwhile, or no watches are left: then the device itself has to tell.
      return undefined;
    }
  }
}

/** The one that is there, where the folder of the node itself is still to come. */
function nearestFolder(node: string): string {
  let folder = dirname(node);
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}
