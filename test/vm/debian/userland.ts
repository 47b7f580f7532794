import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { PackageFile, PackageRequest } from "./archive.ts";
import { outputOf } from "./program.ts";

const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/**
 * QEMU for this machine and the tools for the guest, in one tree. Newer QEMU than trixie's: it must have
 * vfio-user-pci. usbip comes from the same suite; the kernels do not.
 */
export const USERLAND: PackageRequest = {
  names: [
    "qemu-system-x86",
    "usbip",
    "usbutils",
    "usb.ids",
    "busybox-static",
    "e2fsprogs",
    "alsa-utils",
    "iproute2",
    "nftables",
    "udev",
    "python3", // for the client of WSL-USB that was written from its document alone
    "libstdc++6", // this and the C library: for node in the guest
    "xz-utils",
    "zstd",
  ],
  dependencies: true,
  release: "trixie-backports",
};

/** An unpacked tree of Debian packages whose programs run in place, with their own loader and libraries. */
export class Userland {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async unpack(files: readonly PackageFile[]): Promise<void> {
    // One after the other: archives share folders, and dpkg-deb makes those as it goes.
    for (const file of files) await outputOf(["dpkg-deb", "-x", file.path, this.root]);
    for (const name of ["doc", "man", "locale", "info", "lintian", "bug"])
      await rm(join(this.root, "usr/share", name), { recursive: true, force: true });
    // Where the guest mounts the built-in modules of Debian's nodejs; its /usr is read-only.
    await mkdir(join(this.root, "usr/share/nodejs"));
    // The package usb.ids puts the list in misc/, usbip looks for it in hwdata/.
    await mkdir(join(this.root, "usr/share/hwdata"), { recursive: true });
    await symlink("../misc/usb.ids", join(this.root, "usr/share/hwdata/usb.ids"));
  }

  get libraries(): string {
    return join(this.root, LIBRARIES);
  }

  /** The start of a command line that runs this program on the machine we are on. */
  program(path: string): string[] {
    const loader = join(this.libraries, "ld-linux-x86-64.so.2");
    return [loader, "--library-path", this.libraries, join(this.root, path)];
  }
}
