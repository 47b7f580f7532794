import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import type { Finding } from "./finding.ts";
import { Kernel } from "./kernel.ts";
import { VhciModule } from "./vhci-module.ts";

type Files = Parameters<typeof recordedRoot>[0];

function look(release: string, files: Files): Finding {
  const root = recordedRoot({ "proc/sys/kernel/osrelease": `${release}\n`, ...files });
  const [finding, ...others] = new VhciModule(root, new Kernel(root)).run();
  assert.deepEqual(others, []);
  return finding!;
}

/** Lines about USB of /boot/config-6.1.0-56-cloud-amd64 (Debian: linux-image-6.1.0-56-cloud-amd64 6.1.192-2). */
const CLOUD_CONFIG = `CONFIG_MODULES=y
# Host-side USB support is needed for USB Network Adapter support
CONFIG_USB_OHCI_LITTLE_ENDIAN=y
# CONFIG_USB_SUPPORT is not set
# CONFIG_USB4 is not set
`;
const MODULAR_CONFIG = "CONFIG_USBIP_CORE=m\nCONFIG_USBIP_VHCI_HCD=m\nCONFIG_USBIP_VHCI_HC_PORTS=15\n";
const DEBIAN = { "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n' };

test("a cloud kernel of Debian is told by its configuration, with the full one as the way out", () => {
  const release = "6.1.0-56-cloud-amd64";
  const finding = look(release, { [`boot/config-${release}`]: CLOUD_CONFIG, ...DEBIAN });
  assert.equal(finding.code, "VHCI_NOT_IN_KERNEL");
  assert.equal(finding.severity, "problem");
  assert.match(
    finding.why!,
    /^\/boot\/config-6\.1\.0-56-cloud-amd64 says CONFIG_USBIP_CORE is not set, CONFIG_/,
  );
  assert.match(finding.why!, /kernels for clouds leave USB out/);
  assert.match(finding.next!.join("\n"), /sudo apt install linux-image-\w+$/m);
  assert.match(
    finding.next!.join("\n"),
    /sudo apt remove linux-image-cloud-\w+ linux-image-6\.1\.0-56-cloud-amd64/,
  );
});

test("the configuration is also read where the kernel keeps it itself, packed", () => {
  const packed = gzipSync("# CONFIG_USBIP_CORE is not set\n");
  const finding = look("6.18.44-fc", { "proc/config.gz": packed });
  assert.equal(finding.code, "VHCI_NOT_IN_KERNEL");
  assert.match(finding.why!, /^\/proc\/config\.gz says/);
  assert.equal(look("6.18.44-fc", { "proc/config.gz": "no gzip" }).code, "MODULES_FOLDER_MISSING");
});

test("a module that is there is to be loaded, whatever its file is called", () => {
  for (const [dep, file] of [
    ["kernel/drivers/usb/usbip/vhci-hcd.ko.xz: kernel/drivers/usb/usbip/usbip-core.ko.xz", "vhci-hcd.ko.xz"],
    ["kernel/drivers/usb/usbip/vhci_hcd.ko:", "vhci_hcd.ko"],
  ]) {
    const finding = look("6.12.90-amd64", {
      "lib/modules/6.12.90-amd64/modules.dep": `kernel/x/other.ko:\n${dep}\n`,
      [`lib/modules/6.12.90-amd64/kernel/drivers/usb/usbip/${file}`]: "",
    });
    assert.equal(finding.code, "VHCI_NOT_LOADED");
    assert.deepEqual(finding.next, [
      "sudo modprobe vhci-hcd",
      "To have it at every boot: echo vhci-hcd | sudo tee /etc/modules-load.d/usbferry.conf",
    ]);
  }
});

test("in a container the module is loaded on the machine itself", () => {
  const files = {
    ".dockerenv": "",
    "lib/modules/6.12.90-amd64/modules.dep": "vhci-hcd.ko:\n",
    "lib/modules/6.12.90-amd64/vhci-hcd.ko": "",
  };
  assert.match(look("6.12.90-amd64", files).next![0]!, /not in this container/);
  const bare = look("6.12.90-amd64", { ".dockerenv": "" });
  assert.equal(bare.code, "MODULES_FOLDER_MISSING");
  assert.match(bare.why!, /This is a container/);
});

test("a module that the configuration promises and no file keeps is missing", () => {
  const release = "6.8.0-45-generic";
  const finding = look(release, {
    [`boot/config-${release}`]: MODULAR_CONFIG,
    [`lib/modules/${release}/modules.dep`]: "kernel/drivers/usb/usbip/vhci-hcd.ko:\n",
    "etc/os-release": "ID=ubuntu\n",
  });
  assert.equal(finding.code, "VHCI_FILE_MISSING");
  assert.match(finding.why!, /CONFIG_USBIP_VHCI_HCD=m, but/);
  assert.match(finding.next![0]!, /linux-modules-extra-\$\(uname -r\)/);
});

test("a kernel that was exchanged since the boot has no modules", () => {
  const finding = look("6.12.48-amd64", { "boot/config-6.12.48-amd64": MODULAR_CONFIG, ...DEBIAN });
  assert.equal(finding.code, "MODULES_FOLDER_MISSING");
  assert.match(finding.next![0]!, /sudo reboot/);
});

test("WSL2 is told which of Microsoft's kernels has the module", () => {
  const version = { "proc/version": "Linux version 5.10.16.3-microsoft-standard-WSL2 (oe-user@oe-host)" };
  const config = "# CONFIG_USBIP_CORE is not set\n";
  const old = look("5.10.16.3-microsoft-standard-WSL2", { ...version, "proc/config.gz": gzipSync(config) });
  assert.match(old.next![0]!, /wsl --update, then wsl --shutdown.* 5\.10\.60\.1/);
  const modular = look("6.6.87.2-microsoft-standard-WSL2", {
    "lib/modules/6.6.87.2-microsoft-standard-WSL2/modules.dep": "",
  });
  assert.equal(modular.code, "VHCI_FILE_MISSING");
  assert.match(modular.next![0]!, /^sudo modprobe vhci-hcd\. .*6\.6\.36 on/);
  const between = look("5.15.90.1-microsoft-standard-WSL2", { "proc/config.gz": gzipSync(config) });
  assert.match(between.next![0]!, /wsl --update.*5\.10\.60\.1/);
});

test("what is built in and not to be seen is told as hidden, with sysfs that is not mounted first", () => {
  const files = { "proc/config.gz": gzipSync("CONFIG_USBIP_VHCI_HCD=y\n") };
  assert.deepEqual(look("6.6.1", files).next, ["sudo mount -t sysfs sysfs /sys"]);
  const mounted = look("6.6.1", {
    "sys/devices/platform/x": "",
    "lib/modules/6.6.1/modules.builtin": "kernel/vhci-hcd.ko\n",
  });
  assert.equal(mounted.code, "VHCI_HIDDEN");
  assert.match(mounted.next![0]!, /rmmod vhci-hcd/);
});
