import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { SysfsTree } from "../../../test/support/sysfs-tree.ts";
import type { Uevent } from "../../linux/uevent.ts";
import type { HardwareDevice } from "../hardware-device.ts";
import { HardwareTable } from "./hardware-table.ts";

let tree: SysfsTree;
let loop: ManualLoop;
let told: string[];
let table: HardwareTable;

function word(what: string, { busid, devnum }: HardwareDevice): void {
  told.push(`${what} ${busid} ${devnum}`);
}

beforeEach(() => {
  tree = new SysfsTree();
  loop = new ManualLoop();
  told = [];
  table = new HardwareTable(tree.roots, loop, {
    plugged: (device) => word("plugged", device),
    changed: (device) => word("changed", device),
    unplugged: (device) => word("unplugged", device),
  });
});
afterEach(() => {
  table.close();
  tree.remove();
});

function hear(events: readonly Uevent[]): void {
  for (const event of events) table.hear(event);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    assert(performance.now() < deadline, `told so far: ${told.join(", ")}`);
    // oxlint-disable-next-line no-await-in-loop -- the file system answers in its own time
    await turn();
  }
}

/** Long enough for every read that is under way: each takes a few turns of the event loop. */
async function quiet(): Promise<void> {
  await table.lookAtAll();
}

test("what is there at the first look is told once, though its events are heard, too", async () => {
  const events = tree.plug();
  const looking = table.lookAtAll();
  hear(events);
  await looking;
  await quiet();
  assert.deepEqual(told, ["plugged 1-2 2"]);
  assert.deepEqual(
    table.devices.map(({ busid }) => busid),
    ["1-2"],
  );
});

test("a device is told as plugged in when the kernel has come to a driver for it", async () => {
  hear(tree.plug({ driver: null }));
  await quiet();
  assert.deepEqual(told, []);
  hear(tree.probe());
  await until(() => told.length > 0);
  await quiet();
  assert.deepEqual(told, ["plugged 1-2 2"]);
  assert.equal(table.devices[0]!.configuration, 1);
  assert.equal(loop.timers, 0);
});

test("a device that no driver is looked for is told after a second", async () => {
  hear(tree.plug({ driver: null }));
  await quiet();
  loop.advance(999);
  assert.deepEqual(told, []);
  loop.advance(1);
  assert.deepEqual(told, ["plugged 1-2 2"]);
});

test("a device without a driver that goes at once is never told", async () => {
  hear(tree.plug({ driver: null }));
  await quiet();
  table.hear(tree.unplug());
  loop.advance(2_000);
  await quiet();
  assert.deepEqual(told, []);
});

test("drivers that come and go change a device", async () => {
  hear(tree.plug());
  await until(() => told.length === 1);
  table.hear(tree.unbind("1-2", 0));
  await until(() => told.length === 2);
  assert.deepEqual(table.devices[0]!.interfaces, [{ number: 0 }]);
  table.hear(tree.bind("1-2", 0, "usbfs"));
  await until(() => told.length === 3);
  assert.deepEqual(table.devices[0]!.interfaces, [{ number: 0, driver: "usbfs" }]);
  assert.deepEqual(told, ["plugged 1-2 2", "changed 1-2 2", "changed 1-2 2"]);
});

test("a device that leaves and returns is another one, however fast", async () => {
  hear(tree.plug());
  await until(() => told.length === 1);
  const gone = tree.unplug();
  const back = tree.plug({ devnum: 3 });
  hear([gone, ...back]);
  await until(() => told.length === 3);
  assert.deepEqual(told, ["plugged 1-2 2", "unplugged 1-2 2", "plugged 1-2 3"]);
});

test("a device that goes while it is read is not told any more", async () => {
  const events = tree.plug();
  hear(events);
  // The reading has begun, and sysfs still shows the device when the kernel says that it is going.
  table.hear({ ...events[0]!, action: "remove" });
  await turn();
  await turn();
  tree.unplug();
  await quiet();
  assert.deepEqual(told, []);
});

test("after lost events everything is looked at, and once more", async () => {
  tree.plug({ name: "1-1", devnum: 2 });
  tree.plug({ name: "1-3", devnum: 4 });
  await quiet();
  told.length = 0;
  tree.unplug("1-1");
  tree.unplug("1-3");
  tree.plug({ name: "1-3", devnum: 5 });
  tree.plug({ name: "1-4", devnum: 6 });
  table.lost();
  await until(() => told.length === 4);
  assert.deepEqual(told.toSorted(), ["plugged 1-3 5", "plugged 1-4 6", "unplugged 1-1 2", "unplugged 1-3 4"]);
  tree.unplug("1-4");
  loop.advance(1_000);
  await until(() => told.length === 5);
  assert.deepEqual([told[4], loop.timers], ["unplugged 1-4 6", 0]);
});

test("a node that comes later, or is opened to this user, is noticed", async () => {
  hear(tree.plug({ mode: null }));
  await until(() => told.length === 1);
  assert.equal(table.devices[0]!.access, "missing");
  tree.allow("1-2", 0o660);
  await until(() => told.length === 2);
  assert.deepEqual([told[1], table.devices[0]!.access], ["changed 1-2 2", undefined]);
});

test("events of other things are passed over", async () => {
  tree.plug();
  table.hear({
    action: "add",
    path: "/devices/pci0000:00/0000:00:04.0/usb1/1-2",
    subsystem: "block",
    variables: new Map([["DEVTYPE", "usb_device"]]),
  });
  table.hear({
    action: "add",
    path: "/devices/x/usb1",
    subsystem: "usb",
    variables: new Map([["DEVTYPE", "usb_device"]]),
  });
  table.hear({ action: "add", path: "/devices/x/1-2", subsystem: "usb", variables: new Map() });
  for (let turns = 0; turns < 50; turns++) await turn();
  assert.deepEqual(told, []);
});

test("nothing is told after the end", async () => {
  hear(tree.plug());
  table.close();
  for (let turns = 0; turns < 50; turns++) await turn();
  assert.deepEqual(told, []);
});
