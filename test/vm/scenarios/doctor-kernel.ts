import assert from "node:assert/strict";
import { DOCTOR_MS, Examination, follow } from "../examination.ts";
import { withoutModules } from "../module-folder.ts";
import type { Scenario } from "../scenario.ts";

/** Of Debian's linux-image-6.1.0-56-cloud-amd64, as far as it is about USB. */
const CLOUD_CONFIG = "CONFIG_MODULES=y\n# CONFIG_USB_SUPPORT is not set\n";

export const kernelModule: Scenario = {
  name: "doctor: vhci_hcd is not there, not loaded, hidden; its advice loads it",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    const bare = await Examination.of(guest, "guest");
    assert.deepEqual(bare.problems, ["VHCI_NOT_LOADED"]);
    await withoutModules(guest, ["vhci_hcd"], async () => {
      assert.deepEqual((await Examination.of(guest, "guest")).problems, ["VHCI_FILE_MISSING"]);
    });
    const folder = `/lib/modules/${guest.release}`;
    await guest.shell(`mv ${folder} /lib/modules/away`);
    assert.deepEqual((await Examination.of(guest, "guest")).problems, ["MODULES_FOLDER_MISSING"]);
    await guest.shell("mkdir -p /boot");
    await guest.writeFile(`/boot/config-${guest.release}`, CLOUD_CONFIG);
    const cloud = (await Examination.of(guest, "guest")).one("VHCI_NOT_IN_KERNEL");
    assert.match(cloud.why!, /^\/boot\/config-.* CONFIG_USBIP_VHCI_HCD/);
    await guest.shell(`mv /lib/modules/away ${folder}; rm /boot/config-*`);

    await follow(guest, bare.one("VHCI_NOT_LOADED"));
    const loaded = await Examination.of(guest, "guest");
    assert.deepEqual(loaded.problems, []);
    for (const code of ["VHCI_LOADED", "VHCI_PERMITTED", "PORTS_FREE", "USBIP_DEBUG_OFF", "NOTHING_ATTACHED"])
      loaded.one(code);

    const driver = "/sys/bus/platform/drivers/vhci_hcd";
    await guest.shell(`echo vhci_hcd.0 > ${driver}/unbind`);
    const hidden = await Examination.of(guest, "guest");
    assert.deepEqual(hidden.problems, ["VHCI_HIDDEN"]);
    await guest.shell("rmmod vhci-hcd; modprobe vhci-hcd");
    assert.deepEqual((await Examination.of(guest, "guest")).problems, []);
  },
};

export const readOnlySysfs: Scenario = {
  name: "doctor: a container's /sys is read-only",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd");
    await guest.shell("mount --bind /sys /sys && mount -o remount,bind,ro /sys");
    try {
      const { problems } = await Examination.of(guest, "guest");
      assert.deepEqual(problems, ["VHCI_READ_ONLY"]);
    } finally {
      await guest.shell("umount /sys");
    }
  },
};

export const fullPorts: Scenario = {
  name: "doctor: every port of one hub is in use",
  expected: [
    {
      pattern:
        /usb (usb)?\d+-.*(device descriptor read|not accepting address|unable to enumerate|Cannot enable|enqueue for inactive)/i,
      reason: "what is on the ports says nothing, so that the kernel finds no device",
    },
    { pattern: /vhci_hcd: /, reason: "it speaks of each port that is taken and lost" },
  ],
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd");
    const taken = (await guest.call("test/vm/guest/port-filling.js", "fillPorts", [])) as number;
    try {
      const examined = await Examination.of(guest, "guest");
      assert.deepEqual(examined.problems, ["PORTS_FULL"]);
      assert.match(examined.one("PORTS_FULL").what, new RegExp(`of super speed: all ${taken} are in use`));
    } finally {
      await guest.call("test/vm/guest/port-filling.js", "emptyPorts", []);
    }
    // Its hubs go on asking what has gone; unloading ends that.
    await guest.shell("rmmod vhci-hcd && modprobe vhci-hcd", { timeoutMs: 90_000 });
    assert.deepEqual((await Examination.of(guest, "guest")).problems, []);
  },
};

export const debugMessages: Scenario = {
  name: "doctor: the kernel's debug messages are on; its advice switches them off",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd");
    await guest.shell("echo 'module vhci_hcd +p; module usbip_core +pm' > /proc/dynamic_debug/control");
    (await Examination.of(guest, "guest")).one("USBIP_DEBUG_OFF");
    await guest.shell("echo 0xffffffff > /sys/module/usbip_core/parameters/usbip_debug_flag");
    const examined = await Examination.of(guest, "guest");
    assert.deepEqual(examined.problems, ["USBIP_DEBUG_ON"]);
    const finding = examined.one("USBIP_DEBUG_ON");
    assert.match(finding.why!, /Dynamic debug is on for usbip_core, vhci_hcd/);
    await follow(guest, finding, 0);
    await follow(guest, finding, 1);
    (await Examination.of(guest, "guest")).one("USBIP_DEBUG_OFF");
  },
};

export const udevStates: Scenario = {
  name: "doctor: udev runs, is gone, or has left its socket behind",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    const absent = (await Examination.of(guest, "guest")).one("UDEV_NOT_RUNNING");
    assert.equal(absent.severity, "note", "for root");
    const daemon = await guest.spawn(["/usr/lib/systemd/systemd-udevd"], () => {});
    try {
      await guest.waitFor("its socket", "test -S /run/udev/control");
      (await Examination.of(guest, "guest")).one("UDEV_RUNNING");
    } finally {
      await daemon.kill("SIGKILL");
      await daemon.exit;
    }
    // Killed, it leaves its socket behind.
    await guest.shell("test -S /run/udev/control");
    (await Examination.of(guest, "guest")).one("UDEV_NOT_RUNNING");
    await guest.shell("rm -r /run/udev");
  },
};
