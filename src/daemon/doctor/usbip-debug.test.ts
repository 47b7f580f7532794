import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { recordedRoot } from "../../../test/support/recorded-root.ts";
import type { Finding } from "./finding.ts";
import { Kernel } from "./kernel.ts";
import { UsbipDebug } from "./usbip-debug.ts";

function look(files: Parameters<typeof recordedRoot>[0]): Finding {
  const root = recordedRoot(files);
  return new UsbipDebug(root, new Kernel(root)).run()[0]!;
}

const BUILT = { "proc/config.gz": gzipSync("CONFIG_USBIP_CORE=y\nCONFIG_USBIP_DEBUG=y\n") };
const flag = (value: string) => ({ "sys/module/usbip_core/parameters/usbip_debug_flag": `${value}\n` });
const ALL = flag("4294967295");
/** Lines of a real control file (Linux 6.12), with the flags that are given. */
const control = (flags: string) => ({
  "proc/dynamic_debug/control": `# filename:lineno [module]function flags format
drivers/usb/usbip/usbip_common.c:141 [usbip_core]usbip_dump_usb_ctrlrequest =_ "RET\\012"
drivers/usb/usbip/vhci_tx.c:130 [vhci_hcd]vhci_send_cmd_submit ${flags} "vhci_hcd: send txdata\\012"
`,
});

test("a kernel without the option and without dynamic debug is quiet", () => {
  assert.equal(look({}).code, "USBIP_DEBUG_OFF");
  assert.equal(look({ ...flag("0"), ...control("=_") }).severity, "ok");
});

test("CONFIG_USBIP_DEBUG=y is told with the way to switch it off at once, and for good", () => {
  const finding = look({ ...BUILT, ...ALL });
  assert.equal(finding.code, "USBIP_DEBUG_ON");
  assert.match(finding.why!, /CONFIG_USBIP_DEBUG=y.* 56 KB\/s in place of 56 MB\/s/);
  assert.equal(finding.next![0], "echo 0 | sudo tee /sys/module/usbip_core/parameters/usbip_debug_flag");
  assert.equal(look(BUILT).code, "USBIP_DEBUG_ON", "before the module is loaded, too");
});

test("what was built in and switched off costs nothing", () => {
  for (const files of [flag("0"), { ...ALL, ...control("=_") }]) {
    const finding = look({ ...BUILT, ...files });
    assert.equal(finding.code, "USBIP_DEBUG_OFF");
    assert.match(finding.what, /switched off/);
  }
});

test("dynamic debug that is on for a module of USB/IP is told by its name", () => {
  for (const flags of ["=p", "=pmf", "=mp"]) {
    const finding = look({ ...ALL, ...control(flags) });
    assert.equal(finding.code, "USBIP_DEBUG_ON");
    assert.match(finding.next![0]!, /^echo 'module vhci_hcd -p' \| sudo tee \/proc\/dynamic_debug\/control$/);
  }
  assert.equal(
    look({ ...ALL, ...control("=mf") }).code,
    "USBIP_DEBUG_OFF",
    "decorations alone print nothing",
  );
  assert.equal(look({ ...flag("0"), ...control("=p") }).code, "USBIP_DEBUG_OFF", "nobody wants the messages");
});
