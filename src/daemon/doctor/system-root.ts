import { accessSync, constants, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";

/** What an error number of the system says about a file that cannot be used. */
export type AccessError = "ENOENT" | "EACCES" | "EPERM" | "EROFS" | (string & {});

/**
 * The files by which a system tells of itself: /proc, /sys, /dev, /run, /etc, /boot and /lib/modules below one folder,
 * which is `/` unless a recorded tree is looked at. What is not there, or may not be read, is an empty answer.
 */
export class SystemRoot {
  readonly folder: string;

  constructor(folder = "/") {
    this.folder = folder;
  }

  path(path: string): string {
    return join(this.folder, path);
  }

  bytes(path: string): Buffer | undefined {
    try {
      return readFileSync(this.path(path));
    } catch {
      return undefined;
    }
  }

  /** Without the white space around it. */
  text(path: string): string | undefined {
    return this.bytes(path)?.toString("latin1").trim();
  }

  names(path: string): readonly string[] {
    try {
      return readdirSync(this.path(path));
    } catch {
      return [];
    }
  }

  /** Names of the folders in a folder; links to folders are none. */
  folders(path: string): readonly string[] {
    try {
      return readdirSync(this.path(path), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    } catch {
      return [];
    }
  }

  exists(path: string): boolean {
    try {
      lstatSync(this.path(path));
      return true;
    } catch {
      return false;
    }
  }

  link(path: string): string | undefined {
    try {
      return readlinkSync(this.path(path));
    } catch {
      return undefined;
    }
  }

  /** `major:minor` of what an open descriptor of a process or a node of /dev stands for. */
  deviceNumber(path: string): string | undefined {
    try {
      const status = statSync(this.path(path));
      if (!status.isCharacterDevice() && !status.isBlockDevice()) return undefined;
      // As the C library splits st_rdev; both parts of a USB device's fit into the low bits.
      return `${(status.rdev >> 8) & 0xfff}:${(status.rdev & 0xff) | ((status.rdev >> 12) & 0xfff00)}`;
    } catch {
      return undefined;
    }
  }

  /** Why this process may not write to a file; nothing if it may. */
  whyNotWritable(path: string): AccessError | undefined {
    try {
      accessSync(this.path(path), constants.R_OK | constants.W_OK);
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
    }
  }
}
