import { open, readFile, rename, unlink } from "node:fs/promises";

/** What a store asks of the file system, call by call: a test can cut the power between any two of them. */
export interface Disk {
  /** Nothing if there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Makes a file; rejects if it exists. */
  create(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** Makes durable which names a folder holds. */
  syncFolder(path: string): Promise<void>;
  /** Does nothing if there is no such file. */
  unlink(path: string): Promise<void>;
}

export interface DiskFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes durable what was written. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

const FILE_MODE = 0o600;

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

/** The file system of this machine. */
export const LOCAL_DISK: Disk = {
  read: (path) => readFile(path).catch(unlessMissing),
  async create(path) {
    const file = await open(path, "wx", FILE_MODE);
    return {
      write: (bytes) => file.writeFile(bytes),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  rename,
  async syncFolder(path) {
    const folder = await open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  unlink: (path) => unlink(path).catch(unlessMissing),
};
