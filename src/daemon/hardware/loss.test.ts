import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { HUB, KEYBOARD, SysfsTree } from "../../../test/support/sysfs-tree.ts";
import { enumerate } from "../../hardware/usbfs/enumeration.ts";
import { lossOf } from "./loss.ts";

let tree: SysfsTree;
beforeEach(() => {
  tree = new SysfsTree();
});
afterEach(() => tree.remove());

async function loss(busid: string): Promise<string | undefined> {
  const devices = await enumerate(tree.roots);
  return lossOf(devices.find((device) => device.busid === busid)!, devices, tree.roots);
}

test("a stick that is not mounted can go", async () => {
  tree.plug();
  tree.disk("1-2", { sda: "8:0", sda1: "8:1" });
  tree.mount([{ numbers: "254:1", point: "/" }]);
  assert.equal(await loss("1-2"), undefined);
});

test("a hub takes along what is plugged into it", async () => {
  tree.plug({ name: "1-1", devnum: 3, descriptors: HUB, interfaces: { 0: "hub" } });
  assert.match((await loss("1-1"))!, /^is a hub: what is plugged into it would be lost/);
  tree.plug({ name: "1-1.4", devnum: 4 });
  tree.plug({ name: "1-10", devnum: 5 });
  assert.equal(await loss("1-1"), "is a hub: 1-1.4 would be lost with it");
});

test("the last keyboard that somebody can type on stays", async () => {
  tree.plug({ name: "1-1", devnum: 3, descriptors: KEYBOARD, interfaces: { 0: "usbhid" } });
  tree.plug({
    name: "5-1",
    controller: "devices/platform/vhci_hcd.0",
    descriptors: KEYBOARD,
    interfaces: { 0: "usbhid" },
  });
  tree.plug({ name: "1-3", devnum: 4, descriptors: KEYBOARD, interfaces: { 0: "usbfs" } });
  assert.match((await loss("1-1"))!, /^is the last keyboard of this machine/);
  assert.equal(await loss("1-3"), undefined, "nobody types on it");
  tree.plug({ name: "1-4", devnum: 6, descriptors: KEYBOARD, interfaces: { 0: "usbhid" } });
  assert.equal(await loss("1-1"), undefined);
});

test("a disk with a mounted file system stays, and the message says where", async () => {
  tree.plug();
  tree.disk("1-2", { sda: "8:0", sda1: "8:1", sda2: "8:2" });
  tree.mount([
    { numbers: "8:2", point: "/" },
    { numbers: "8:1", point: "/boot/my\\040efi" },
    { numbers: "8:17", point: "/elsewhere" },
  ]);
  assert.equal(
    await loss("1-2"),
    "holds the file system this machine runs from (/, /boot/my efi), which would be lost",
  );
});

test("so does a disk under encryption, under btrfs, and with swap space", async () => {
  tree.plug();
  tree.disk("1-2", { sda: "8:0", sda1: "8:1" });
  tree.write("devices/virtual/block/dm-0", "dev", "254:0");
  mkdirSync(join(tree.roots.sysfs, "class/block/sda1/holders/dm-0"), { recursive: true });
  tree.mount([{ numbers: "254:0", point: "/home" }]);
  tree.blockLink("dm-0", "devices/virtual/block/dm-0");
  assert.equal(await loss("1-2"), "holds a mounted file system (/home), which would be lost");
  tree.mount([{ numbers: "0:45", point: "/data", source: "/dev/sda1" }]);
  assert.match((await loss("1-2"))!, /\(\/data\)/);
  tree.mount([]);
  writeFileSync(join(tree.roots.proc, "swaps"), "Filename Type Size\n/dev/sda1 partition 1000 0 -2\n");
  assert.match((await loss("1-2"))!, /^holds swap space that is in use/);
});
