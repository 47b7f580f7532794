/** An entry of a newc archive (linux: Documentation/driver-api/early-userspace/buffer-format.rst). */
export interface ArchiveEntry {
  readonly path: string;
  /** File type and permission bits, as st_mode. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

export function directory(path: string): ArchiveEntry {
  return { path, mode: 0o040755 };
}

export function program(path: string, data: Uint8Array): ArchiveEntry {
  return { path, mode: 0o100755, data };
}

export function file(path: string, data: Uint8Array): ArchiveEntry {
  return { path, mode: 0o100644, data };
}

export function symlink(path: string, target: string): ArchiveEntry {
  return { path, mode: 0o120777, data: Buffer.from(target) };
}

export function characterDevice(path: string, major: number, minor: number): ArchiveEntry {
  return { path, mode: 0o020600, device: [major, minor] };
}

/** Packs the entries into the archive that the kernel unpacks as its first file system. */
export function packInitramfs(entries: readonly ArchiveEntry[]): Buffer {
  const pieces: Uint8Array[] = [];
  let inode = 0;
  for (const entry of [...entries, { path: "TRAILER!!!", mode: 0 }]) {
    inode += 1;
    const name = Buffer.from(`${entry.path}\0`);
    const data = entry.data ?? new Uint8Array(0);
    const fields = [
      inode, // c_ino
      entry.mode, // c_mode
      0, // c_uid
      0, // c_gid
      1, // c_nlink
      0, // c_mtime
      data.length, // c_filesize
      0, // c_maj
      0, // c_min
      entry.device?.[0] ?? 0, // c_rmaj
      entry.device?.[1] ?? 0, // c_rmin
      name.length, // c_namesize
      0, // c_chksum
    ];
    const header = Buffer.from(
      `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
    );
    pieces.push(header, name, padding(header.length + name.length), data, padding(data.length));
  }
  return Buffer.concat(pieces);
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
