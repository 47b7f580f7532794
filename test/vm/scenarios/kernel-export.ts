import assert from "node:assert/strict";
import { ATTACH_LINES } from "../attachment.ts";
import { attachByCall, attachDirectByCall, detachByCall } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";

const GADGET = "/sys/kernel/config/usb_gadget/disk";
const IMAGE = "/tmp/disk.img";
const MIB = 4;
const ADDRESS = "tcp:127.0.0.1:3240";
export const DEVICE_NUMBERS = "0525:a4a5:the kernel's own";

/** A disk of the guest's kernel, on its emulated controller, shared by the stock tools. */
export const EXPORT = `
  grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config
  dd if=/dev/urandom of=${IMAGE} bs=1M count=${MIB} 2>/dev/null
  mkdir ${GADGET} && cd ${GADGET}
  echo 0x0525 > idVendor; echo 0xa4a5 > idProduct
  mkdir configs/c.1 functions/mass_storage.0 strings/0x409
  echo "the kernel's own" > strings/0x409/serialnumber
  echo ${IMAGE} > functions/mass_storage.0/lun.0/file
  ln -s functions/mass_storage.0 configs/c.1/
  echo dummy_udc.0 > UDC
  until device=$(grep -l a4a5 /sys/bus/usb/devices/*/idProduct 2>/dev/null); do usleep 50000; done
  busid=$(basename $(dirname $device))
  usbipd -D >/dev/null 2>&1
  until usbip bind -b $busid >/dev/null 2>&1; do usleep 100000; done
  echo $busid`;

export const CLEAN_UP = `
  kill $(pidof usbipd)
  usbip unbind -b $1 >/dev/null 2>&1
  cd ${GADGET}; echo > UDC
  rm configs/c.1/mass_storage.0; rmdir configs/c.1 functions/mass_storage.0 strings/0x409 ${GADGET}
  rm ${IMAGE}`;

export const KERNEL_EXPORT_MODULES = [
  "dummy_hcd",
  "libcomposite",
  "usb_f_mass_storage",
  "usbip-host",
  "usb-storage",
  "sd_mod",
];

export const KERNEL_EXPORT_LINES = [
  ...ATTACH_LINES,
  { pattern: /usbip-host .*: usbip-host: register new device/, reason: "usbip-host warns of each bind" },
  { pattern: /usbip-host .*: recv a header, 0/, reason: "usbip-host says so of each client that closes" },
  { pattern: /usb-storage|scsi|sd /, reason: "usb-storage speaks of each disk" },
];

/** The kernel's own server at the other end: not our engine against itself. */
export const kernelExport: Scenario = {
  name: "a disk of the kernel's own usbip-host is found by its serial number and read whole, guarded",
  expected: KERNEL_EXPORT_LINES,
  timeoutMs: 120_000,
  async run(guest) {
    await guest.loadModule(...KERNEL_EXPORT_MODULES);
    const busid = (await guest.shell(EXPORT)).trim();
    try {
      const { port, sysfsName } = await attachByCall(guest, ADDRESS, DEVICE_NUMBERS);
      const block = `ls -d /sys/bus/usb/devices/${sysfsName}/*:*/host*/target*/*/block/*`;
      await guest.waitFor("the disk", block);
      const disk = `/dev/$(basename $(${block}))`;
      const sums = await guest.shell(
        `sha256sum < ${IMAGE}; dd if=${disk} bs=64k iflag=direct 2>/dev/null | sha256sum`,
      );
      const [written, read] = sums.trim().split("\n");
      assert.equal(read, written);
      await detachByCall(guest, port);
      // Asked, given back, reset by the kernel and taken again.
      const direct = await attachDirectByCall(guest, ADDRESS, DEVICE_NUMBERS);
      assert.equal(direct.busid, busid);
      await detachByCall(guest, direct.port);
    } finally {
      await guest.run(["sh", "-c", CLEAN_UP, "clean-up", busid]);
      await guest.unloadModule("usbip-host");
    }
  },
};
