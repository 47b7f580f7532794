import type { Guest } from "./guest.ts";

/** What it takes to mount ext4 from a USB disk. */
const MODULES = ["usb-storage", "sd_mod", "ext4"];

/** The block device of a disk that sysfs names `1-2` say, as soon as the guest's kernel has read its capacity: `/dev/sda`. */
export async function blockDevice(guest: Guest, sysfsName: string): Promise<string> {
  await guest.loadModule(...MODULES);
  const folder = `/sys/bus/usb/devices/${sysfsName}/${sysfsName}:1.0/host*/target*/*/block/sd*`;
  await guest.waitFor(
    "a block device",
    `test "$(cat ${folder}/size)" -gt 0 && test -b /dev/$(basename ${folder})`,
  );
  return `/dev/${(await guest.shell(`basename ${folder}`)).trim()}`;
}
