import assert from "node:assert/strict";
import { ATTACH_LINES, attach, detachAll } from "../attachment.ts";
import { DOCTOR_MS, Examination, follow } from "../examination.ts";
import { withoutModules } from "../module-folder.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** No module serves these ids; the kernel's test driver would serve those that the gadget has by itself. */
const UNKNOWN = "zero,serial=zero,vid=1209,pid=0010";

export const classDrivers: Scenario = {
  name: "doctor: attached devices whose driver is not loaded, missing, unbound, or a program; its advice mends it",
  expected: [...ATTACH_LINES, { pattern: /usb-storage|scsi|sd /, reason: "usb-storage speaks of each disk" }],
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd");
    const devices = { disk: "disk,size=1M,serial=disk", keyboard: "keyboard,serial=keyboard", zero: UNKNOWN };
    const host = await ServedHost.start(devices);
    try {
      const [disk, , zero] = await attach(guest, host.port, Object.keys(devices));
      await withoutModules(guest, ["usbhid"], async () => {
        const examined = await Examination.of(guest, "guest");
        assert.deepEqual(examined.problems.toSorted(), ["DRIVER_MISSING", "DRIVER_NOT_LOADED"]);
        const missing = examined.one("DRIVER_MISSING");
        assert.match(missing.what, /no driver uses its input device interface/);
        assert.match(missing.why!, /usbhid \(CONFIG_USB_HID\), is not among those of Linux/);
        assert.match(examined.one("PROGRAM_NEEDED").what, /\(1209:0010\).*vendor specific interface/);
        const storage = examined.one("DRIVER_NOT_LOADED");
        assert.match(storage.what, new RegExp(`^${disk!.sysfsName} .*mass storage interface`));
        await follow(guest, storage);
      });
      const restored = await Examination.of(guest, "guest");
      assert.deepEqual(restored.problems, ["DRIVER_NOT_LOADED"]);
      assert.deepEqual(restored.one("DRIVER_NOT_LOADED").next, ["sudo modprobe usbhid"]);
      await follow(guest, restored.one("DRIVER_NOT_LOADED"));
      assert.deepEqual((await Examination.of(guest, "guest")).problems, []);

      await guest.shell(`echo ${disk!.sysfsName}:1.0 > /sys/bus/usb/drivers/usb-storage/unbind`);
      const unbound = (await Examination.of(guest, "guest")).one("DRIVER_REFUSED");
      await guest.shell(unbound.next![1]!.replace("Try again: ", "").replace("sudo ", ""));
      assert.deepEqual((await Examination.of(guest, "guest")).problems, []);

      await guest.shell(`echo 0 > /sys/bus/usb/devices/${zero!.sysfsName}/bConfigurationValue`);
      (await Examination.of(guest, "guest")).one("NOT_CONFIGURED");
      await detachAll(guest);
    } finally {
      await host.stop();
      await guest.run(["rmmod", "usb-storage", "usbhid"]);
    }
  },
};
