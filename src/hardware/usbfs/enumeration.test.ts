import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { HUB, KEYBOARD, SysfsTree } from "../../../test/support/sysfs-tree.ts";
import { parseDescriptors } from "../../usb/descriptor-walk.ts";
import { Speed } from "../../usb/speed.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { compareBusids, deviceNumbered, enumerate, isDeviceName, readDevice } from "./enumeration.ts";

let tree: SysfsTree;
beforeEach(() => {
  tree = new SysfsTree();
});
afterEach(() => tree.remove());

test("a device is told with its numbers, strings, drivers and node, unopened", async () => {
  tree.plug({ manufacturer: "QEMU", product: "QEMU USB HARDDRIVE", serial: "1-0000:00:04.0-2" });
  const [device, ...others] = await enumerate(tree.roots);
  assert.deepEqual(others, []);
  const { descriptors, ...rest } = device!;
  assert.equal(descriptors.length, 18 + 32);
  assert.deepEqual(rest, {
    busid: "1-2",
    busnum: 1,
    devnum: 2,
    path: join(tree.roots.sysfs, "devices/pci0000:00/0000:00:04.0/usb1/1-2"),
    node: join(tree.roots.dev, "bus/usb/001/002"),
    speed: Speed.high,
    configuration: 1,
    manufacturer: "QEMU",
    product: "QEMU USB HARDDRIVE",
    serial: "1-0000:00:04.0-2",
    interfaces: [{ number: 0, driver: "usb-storage" }],
  });
});

test("a device is found by the numbers of its bus and on it", async () => {
  tree.plug({ devnum: 2 });
  tree.plug({ name: "1-3", devnum: 7, serial: "A7" });
  const found = await deviceNumbered(1, 7, tree.roots);
  assert.deepEqual([found?.busid, found?.serial], ["1-3", "A7"]);
  assert.equal(await deviceNumbered(1, 3, tree.roots), undefined);
  assert.equal(await deviceNumbered(2, 7, tree.roots), undefined);
});

test("devices behind hubs are told in the order of their ports; root hubs are none", async () => {
  tree.plug({ name: "1-10", devnum: 9 });
  tree.plug({ name: "1-2", devnum: 2, descriptors: HUB, interfaces: { 0: "hub" } });
  tree.plug({ name: "1-2.4", devnum: 7 });
  tree.plug({ name: "2-1", speed: "5000" });
  tree.write("bus/usb/devices/usb1", "devnum", "1");
  const devices = await enumerate(tree.roots);
  assert.deepEqual(
    devices.map(({ busid, devnum, speed }) => [busid, devnum, speed]),
    [
      ["1-2", 2, Speed.high],
      ["1-2.4", 7, Speed.high],
      ["1-10", 9, Speed.high],
      ["2-1", 2, Speed.super],
    ],
  );
});

test("each interface tells its own driver, in the configuration that is active", async () => {
  tree.plug({ configuration: 2, interfaces: { 1: null, 0: "cdc_acm", 10: "usbhid" } });
  const [device] = await enumerate(tree.roots);
  assert.equal(device!.configuration, 2);
  assert.deepEqual(device!.interfaces, [
    { number: 0, driver: "cdc_acm" },
    { number: 1 },
    { number: 10, driver: "usbhid" },
  ]);
});

test("a device that another driver has as a whole tells so, and has no configuration", async () => {
  tree.plug({ driver: "usbip-host" });
  const [device] = await enumerate(tree.roots);
  assert.deepEqual([device!.driver, device!.configuration, device!.interfaces], ["usbip-host", 0, []]);
});

test("a device that this kernel has imported is known without its strings and configurations", async () => {
  tree.plug({
    name: "5-1",
    controller: "devices/platform/vhci_hcd.0",
    descriptors: KEYBOARD,
    product: "a string behind a lock",
    interfaces: { 0: "usbhid" },
  });
  const [device] = await enumerate(tree.roots);
  assert.equal(device!.imported, true);
  assert.equal(device!.product, undefined);
  const parsed = parseDescriptors(device!.descriptors);
  assert(!(parsed instanceof ProtocolError));
  assert.deepEqual([parsed.device.idVendor, parsed.device.idProduct], [0x0627, 0x0001]);
  assert.deepEqual(parsed.configurations, []);
});

test("the strings of a device that is known are not asked for again", async () => {
  tree.plug({ product: "first" });
  const first = await readDevice("1-2", tree.roots);
  tree.write("devices/pci0000:00/0000:00:04.0/usb1/1-2", "product", "second");
  assert.equal((await readDevice("1-2", tree.roots, first!.device))!.device.product, "first");
  tree.write("devices/pci0000:00/0000:00:04.0/usb1/1-2", "devnum", "3");
  assert.equal((await readDevice("1-2", tree.roots, first!.device))!.device.product, "second");
});

test("a node that is not there, or is closed to this user, is told", async () => {
  tree.plug({ name: "1-1", devnum: 3, mode: null });
  assert.equal((await readDevice("1-1", tree.roots))!.device.access, "missing");
  tree.plug({ name: "1-2", devnum: 4, mode: 0o000 });
  const { access } = (await readDevice("1-2", tree.roots))!.device;
  // Nothing is closed to root.
  assert.equal(access, process.getuid?.() === 0 ? undefined : "denied");
});

test("what is gone, or half gone, is nothing", async () => {
  assert.equal(await readDevice("1-2", tree.roots), undefined);
  tree.plug();
  tree.write("devices/pci0000:00/0000:00:04.0/usb1/1-2", "devnum", "");
  assert.equal(await readDevice("1-2", tree.roots), undefined);
  assert.deepEqual(await enumerate(tree.roots), []);
});

test("a system without USB has no devices", async () => {
  assert.deepEqual(await enumerate({ sysfs: "/nonexistent", dev: "/nonexistent" }), []);
});

test("bus ids are told from other names, and counted as people do", () => {
  assert.deepEqual(
    ["1-2", "10-2.4.1", "usb1", "1-0:1.0", "1-2:1.0", "1", "1-", "a-1", "1-2."].filter(isDeviceName),
    ["1-2", "10-2.4.1"],
  );
  assert.deepEqual(["1-10", "2-1", "1-2.3", "1-2", "10-1"].toSorted(compareBusids), [
    "1-2",
    "1-2.3",
    "1-10",
    "2-1",
    "10-1",
  ]);
});
