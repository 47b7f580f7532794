import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArchiveEntry,
  characterDevice,
  directory,
  file,
  packInitramfs,
  program,
  symlink,
} from "./initramfs.ts";
import type { ModuleFolder } from "./kernel-modules.ts";
import type { Userland } from "./userland.ts";

/** Loaded from the initramfs: what it takes to reach the shared folders, the control port and the runner's network. */
const FIRST_MODULES = ["virtio_pci", "9p", "9pnet_virtio", "virtio_console", "virtio_net"];

/** Everything below these folders of the kernel's module tree can be loaded in the guest... */
export const MODULE_FOLDERS = [
  "drivers/usb",
  "drivers/hid",
  "drivers/net/usb",
  "drivers/uio",
  "drivers/vfio",
  "drivers/virtio",
  "fs/9p",
  "fs/fat",
  "fs/nls",
  "net/9p",
  "net/vmw_vsock",
  "sound/usb",
];

/** ...and these, all with what they depend on. */
export const MODULE_NAMES = [
  ...FIRST_MODULES,
  "crc32c_generic", // ext4 asks for it by alias
  "evdev",
  "ext4",
  "fuse",
  "joydev",
  "loop",
  "nf_tables",
  "nft_reject_inet",
  "sd_mod",
  "sg",
  "snd-hrtimer",
  "snd-pcm",
  "snd-seq",
  "sr_mod",
  "tun",
  "uhid",
  "uinput",
  "uvcvideo",
  "veth",
  "vhost_vsock",
  "virtio_blk",
  "virtio_rng",
];

// The agent is a child and not process 1, so that the shell reaps orphans and a dying agent ends the machine.
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin HOME=/root LC_ALL=C UV_THREADPOOL_SIZE=32
while read module; do insmod /first-modules/$module.ko; done < /first-modules/order
share() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,$2 $1 /$1 || echo "share $1 is missing"; }
share bed ro,cache=loose
share node ro,cache=loose
share scratch rw,cache=none
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t debugfs debugfs /sys/kernel/debug
[ -d /node/share ] && mount --bind /node/share /usr/share/nodejs
ln -s /proc/self/fd /dev/fd
ln -s "/bed/linux-$(uname -r | cut -d. -f1,2)/modules" "/lib/modules/$(uname -r)"
echo 15 > /proc/sys/kernel/hung_task_timeout_secs
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
/node/bin/node --enable-source-maps /repo/dist/test/vm/guest/agent.js
echo "the guest's agent ended with code $?"
poweroff -f
`;

/** The first file system of a guest: busybox, the first modules, and /usr out of the shared userland. */
export async function guestInitramfs(userland: Userland, modules: ModuleFolder): Promise<Buffer> {
  const busybox = await readFile(join(userland.root, "usr/bin/busybox"));
  const first = modules.inOrder(FIRST_MODULES);
  const entries: ArchiveEntry[] = [
    ...["bed", "bin", "dev", "etc", "first-modules", "lib", "lib/modules", "lib64", "node", "proc"].map(
      directory,
    ),
    ...["root", "run", "sbin", "scratch", "sys", "tmp", "var", "var/run"].map(directory),
    program("bin/busybox", busybox),
    program("init", Buffer.from(INIT)),
    characterDevice("dev/console", 5, 1),
    symlink("usr", "bed/debian/usr"),
    // Debian's loader looks here before /usr/lib: libraries of this machine's node that the userland does not have.
    symlink("lib/x86_64-linux-gnu", "/node/lib"),
    symlink("lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    symlink("sbin/modprobe", "/bin/busybox"), // the kernel's own requests for modules
    file("etc/passwd", Buffer.from("root:x:0:0:root:/root:/bin/sh\n")),
    file("etc/group", Buffer.from("root:x:0:\n")),
    file("etc/hosts", Buffer.from("127.0.0.1 localhost\n")),
    file("first-modules/order", Buffer.from(first.map((name) => `${name}\n`).join(""))),
  ];
  for (const name of first) entries.push(file(`first-modules/${name}.ko`, await modules.read(name)));
  return packInitramfs(entries);
}
