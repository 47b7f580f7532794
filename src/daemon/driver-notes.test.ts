import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Vhci } from "../vhci/vhci.ts";
import { driverNotes } from "./driver-notes.ts";

const root = mkdtempSync(join(tmpdir(), "usbferry-drivers-"));
after(() => rmSync(root, { recursive: true }));
const vhci = new Vhci(root, () => {}, { sysfs: root, dev: root });
const udev = join(root, "control");

/** A device with interfaces of these classes, of which those with a driver are bound. */
function device(name: string, ...interfaces: readonly (readonly [code: string, driver?: string])[]): string {
  for (const [i, [code, driver]] of interfaces.entries()) {
    const folder = join(root, name, `${name}:1.${i}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "bInterfaceClass"), `${code}\n`);
    if (driver !== undefined) symlinkSync(`../../drivers/${driver}`, join(folder, "driver"));
  }
  return name;
}

test("a device whose interfaces all have drivers needs no words", async () => {
  assert.deepEqual(await driverNotes(device("1-1", ["02", "cdc_acm"], ["0a", "cdc_acm"]), vhci, udev), []);
});

test("interfaces without a driver are told by their class, and that udev does not run", async () => {
  const notes = await driverNotes(device("1-2", ["03", "usbhid"], ["08"], ["ff"]), vhci, udev);
  assert.equal(notes.length, 2);
  assert.match(
    notes[0]!,
    /no driver of this kernel uses its mass storage, vendor.* interfaces.*usbferry doctor/,
  );
  assert.match(notes[1]!, /udev does not run here.*sudo modprobe.*systemd=true/);
});

test("where udev runs it is not to blame", async () => {
  writeFileSync(udev, "");
  const notes = await driverNotes(device("1-3", ["e0"]), vhci, udev);
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /its .* interface\. /);
});

test("a driver that comes a moment later is waited for", async () => {
  const name = device("1-4", ["08"]);
  setTimeout(() => symlinkSync("../../drivers/usb-storage", join(root, name, `${name}:1.0`, "driver")), 200);
  assert.deepEqual(await driverNotes(name, vhci, udev), []);
});
