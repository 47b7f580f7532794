import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Vhci } from "../vhci/vhci.ts";
import { SystemRoot } from "./doctor/system-root.ts";
import { driverNotes } from "./driver-notes.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-drivers-"));
after(() => rmSync(root, { recursive: true }));
const sysfs = join(root, "sys/bus/usb/devices");
const vhci = new Vhci(root, () => {}, { sysfs, dev: join(root, "dev") });

/** A device with interfaces of these classes, of which those with a driver are bound. */
function device(name: string, ...interfaces: readonly (readonly [code: string, driver?: string])[]): string {
  mkdirSync(join(sysfs, name), { recursive: true });
  for (const [attribute, value] of [
    ["idVendor", "1209"],
    ["idProduct", "0001"],
    ["bDeviceClass", "00"],
    ["busnum", "1"],
    ["devnum", "2"],
  ] as const) {
    writeFileSync(join(sysfs, name, attribute), `${value}\n`);
  }
  for (const [i, [code, driver]] of interfaces.entries()) {
    const folder = join(sysfs, name, `${name}:1.${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "bInterfaceNumber"), `0${i}\n`);
    writeFileSync(join(folder, "bInterfaceClass"), `${code}\n`);
    if (driver !== undefined) symlinkSync(`../../drivers/${driver}`, join(folder, "driver"));
  }
  return name;
}

async function codes(name: string): Promise<readonly string[]> {
  const findings = await driverNotes(name, vhci, new SystemRoot(root));
  return findings.map(({ code }) => code);
}

test("a device whose interfaces all have drivers needs no words", async () => {
  assert.deepEqual(await codes(device("1-1", ["02", "cdc_acm"], ["0a", "cdc_acm"])), []);
});

test("an interface without a driver is told with what is missing, and that udev does not run", async () => {
  const findings = await driverNotes(device("1-2", ["03", "usbhid"], ["08"]), vhci, new SystemRoot(root));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["DRIVER_MISSING", "UDEV_NOT_RUNNING"],
  );
  assert.match(findings[0]!.what, /no driver uses its .*storage interface/);
  assert.match(findings[0]!.why!, /usb_storage \(CONFIG_USB_STORAGE\)/);
});

test("where udev runs, a driver that comes a moment later is waited for", async () => {
  mkdirSync(join(root, "proc/7"), { recursive: true });
  writeFileSync(join(root, "proc/7/comm"), "systemd-udevd\n");
  const name = device("1-4", ["08"]);
  const late = setTimeout(
    () => symlinkSync("../../drivers/usb-storage", join(sysfs, name, `${name}:1.0`, "driver")),
    200,
  );
  assert.deepEqual(await codes(name), []);
  clearTimeout(late);
  assert.deepEqual(await codes(device("1-5", ["08"])), ["DRIVER_MISSING"]);
});
