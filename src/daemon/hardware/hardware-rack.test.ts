import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { HUB, KEYBOARD, type RecordedDevice, SysfsTree } from "../../../test/support/sysfs-tree.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import { HardwareTable } from "../../hardware/usbfs/hardware-table.ts";
import type { Uevent } from "../../linux/uevent.ts";
import { EventLog } from "../event-log.ts";
import { ExportTable } from "../export-table.ts";
import { WrongUsage } from "../failure.ts";
import { RULES, RuleBook } from "../rules/rule-book.ts";
import type { SessionEnd } from "../session-end.ts";
import { SessionRegistry } from "../session-registry.ts";
import { BINDS, BindList } from "../state/binds.ts";
import { PassingState } from "../state/open-wishes.ts";
import { readHardwareChoice } from "./hardware-choice.ts";
import { HardwareRack } from "./hardware-rack.ts";

let tree: SysfsTree;
let events: EventLog;
let exports: ExportTable;
let sessions: SessionRegistry;
let rules: RuleBook;
let warnings: string[];
let rack: HardwareRack;
let table: HardwareTable;

beforeEach(() => {
  tree = new SysfsTree();
  events = new EventLog();
  exports = new ExportTable(events);
  sessions = new SessionRegistry(events);
  rules = new RuleBook(new PassingState(RULES.empty), () => void rack.reconsider());
  warnings = [];
  rack = new HardwareRack({
    exports,
    sessions,
    events,
    rules,
    binds: new BindList(new PassingState(BINDS.empty)),
    loop: new ManualLoop(),
    log: { info() {}, warn: (_: object, line: string) => void warnings.push(line) },
    roots: tree.roots,
    source: () => createGadget({ kind: "keyboard", speed: 2 }),
  });
  table = new HardwareTable(tree.roots, new ManualLoop(), rack);
});
afterEach(async () => {
  table.close();
  await rack.close();
  tree.remove();
});

async function hear(happened: readonly Uevent[]): Promise<void> {
  for (const event of happened) table.hear(event);
  await table.lookAtAll();
  await rack.reconsider();
}

function plug(device: RecordedDevice = {}): Promise<void> {
  return hear(tree.plug(device));
}

function shared(): string[] {
  return Array.from(exports.devices(), ({ busid, busnum, devnum }) => `${busid} ${busnum}/${devnum}`);
}

function states(): string[] {
  return rack.list().map(({ busid, state }) => `${busid} ${state}`);
}

function told(): string[] {
  return events.after(0).map(({ kind, device, reason = "" }) => `${kind} ${device?.busid} ${reason}`.trim());
}

test("a device is not shared until somebody binds it, and is again whenever it is plugged in", async () => {
  await plug({ serial: "A1" });
  assert.deepEqual([shared(), states()], [[], ["1-2 in-use"]]);
  const bound = await rack.bind("1-2", false);
  assert.deepEqual(bound, { busid: "1-2", identity: "46f4:0001:A1", warnings: [] });
  assert.deepEqual([shared(), states()], [["1-2 1/2"], ["1-2 free"]]);
  await hear([tree.unplug()]);
  assert.deepEqual([shared(), states()], [[], []]);
  assert.deepEqual(
    rack.wanted().map(({ device, busids }) => [device, busids]),
    [["46f4:0001:A1", []]],
  );
  // In another port: it has a serial number.
  await plug({ name: "1-7", devnum: 9, serial: "A1" });
  assert.deepEqual(shared(), ["1-7 1/9"]);
  await plug({ name: "1-8", devnum: 10, serial: "B2" });
  assert.deepEqual(shared(), ["1-7 1/9"], "another of the kind");
  assert.deepEqual(told(), [
    "changed 1-2 in-use",
    "added 1-2",
    "removed 1-2",
    "added 1-7",
    "changed 1-8 in-use",
  ]);
});

test("a device without a serial number is bound to its port", async () => {
  await plug();
  assert.equal((await rack.bind("46f4:0001", false)).identity, "46f4:0001 at 1-2");
  await hear([tree.unplug()]);
  await plug({ name: "1-3", devnum: 3 });
  assert.deepEqual(shared(), []);
  await plug({ devnum: 4 });
  assert.deepEqual(shared(), ["1-2 1/4"]);
});

test("devices that are alike are told apart by their ports, and who binds one is warned", async () => {
  await plug({ name: "1-1", devnum: 2, serial: "same" });
  await plug({ name: "1-2", devnum: 3, serial: "same" });
  assert.equal(rack.warnings().length, 1);
  assert.match(rack.warnings()[0]!, /^1-1 and 1-2 are alike \(46f4:0001\) and have the same serial number/);
  await assert.rejects(
    rack.bind("46f4:0001", false),
    /may be 1-1 \(46f4:0001:same\) or 1-2 \(46f4:0001:same\)/,
  );
  const bound = await rack.bind("1-2", false);
  assert.equal(bound.identity, "46f4:0001 at 1-2");
  assert.match(bound.warnings[0]!, /told apart by their ports alone\. Keep each in the port where it is/);
  assert.deepEqual(shared(), ["1-2 1/3"]);
});

test("a device that was named is shared when it is plugged in", async () => {
  await rack.name(
    ["1-2", "/dev/bus/usb/003/004"].map((text) => ({ text, choice: readHardwareChoice(text) })),
  );
  assert.deepEqual(
    rack.wanted().map(({ device, by, busids }) => [device, by, busids]),
    [
      ["1-2", "device", []],
      ["/dev/bus/usb/003/004", "device", []],
    ],
  );
  await plug();
  await plug({ name: "3-1", devnum: 4 });
  assert.deepEqual(shared(), ["1-2 1/2", "3-1 3/4"]);
  assert.equal(rack.list()[0]!.because, "--device 1-2");
  await rack.name([]);
  assert.deepEqual(shared(), []);
});

test("auto-bind rules hold at once, and for what is plugged in later", async () => {
  await plug();
  const { id } = await rules.add("auto-bind class=mass-storage");
  await rack.reconsider();
  assert.deepEqual(shared(), ["1-2 1/2"]);
  assert.equal(rack.list()[0]!.because, `rule ${id}`);
  await plug({ name: "1-3", devnum: 3, descriptors: KEYBOARD, interfaces: { 0: null } });
  await plug({ name: "1-4", devnum: 4, serial: "x" });
  assert.deepEqual(shared(), ["1-2 1/2", "1-4 1/4"]);
  await rules.remove(id);
  await rack.reconsider();
  assert.deepEqual(shared(), []);
});

test("no rule and no name takes what this machine needs itself", async () => {
  await rules.add("auto-bind");
  await plug({ name: "1-1", descriptors: HUB, interfaces: { 0: "hub" } });
  await plug({ name: "1-5", devnum: 5, descriptors: KEYBOARD, interfaces: { 0: "usbhid" } });
  assert.deepEqual(shared(), []);
  assert.equal(warnings.length, 2);
  assert.match(warnings[1]!, /^NOT_SHARED 1-5 is the last keyboard .* usbferry bind 1-5 --force$/);
  assert.match(rack.list()[1]!.obstacle!, /last keyboard/);
  await assert.rejects(
    rack.bind("1-5", false),
    /1-5 is the last keyboard of this machine.* usbferry bind 1-5 --force/,
  );
  await rack.bind("1-5", true);
  assert.deepEqual(shared(), ["1-5 1/5"]);
});

test("a device that goes while a session has it makes room for the next one at once", async () => {
  await plug({ serial: "A" });
  await rack.bind("1-2", false);
  const first = exports.find("1-2")!;
  exports.mark(first, true);
  assert.deepEqual(states(), ["1-2 attached"]);
  await hear([tree.unplug(), ...tree.plug({ devnum: 3, serial: "A" })]);
  assert.deepEqual([shared(), states()], [["1-2 1/3"], ["1-2 free"]]);
  exports.mark(first, false);
  assert.deepEqual(shared(), ["1-2 1/3"]);
});

test("unbinding ends the session that has the device", async () => {
  await plug();
  await rack.bind("1-2", false);
  const device = exports.find("1-2")!;
  let ended: SessionEnd | undefined;
  const session = sessions.open("unix:/x", {
    end(end) {
      ended = end;
      setImmediate(() => {
        exports.mark(device, false);
        session.ended(end);
      });
    },
  });
  exports.mark(device, true);
  session.imported({ busid: "1-2" });
  assert.deepEqual(await rack.unbind("46f4:0001"), [{ busid: "1-2", identity: "46f4:0001 at 1-2" }]);
  assert.equal(ended?.code, "UNBOUND");
  assert.deepEqual([states(), sessions.sessions(), rack.wanted()], [["1-2 in-use"], [], []]);
  await assert.rejects(rack.unbind("1-2"), /1-2 is not bound/);
});

test("unbinding ends a session that is about to have the device", async () => {
  await plug();
  await rack.bind("1-2", false);
  const device = exports.find("1-2")!;
  const ends: string[] = [];
  const session = sessions.open("unix:/x", {
    end(end) {
      ends.push(end.code);
      exports.mark(device, false);
      session.ended(end);
    },
  });
  // It is being opened.
  exports.mark(device, true);
  const unbound = rack.unbind("1-2");
  await turn();
  assert.deepEqual(ends, []);
  session.imported({ busid: "1-2" });
  assert.deepEqual(await unbound, [{ busid: "1-2", identity: "46f4:0001 at 1-2" }]);
  assert.deepEqual(ends, ["UNBOUND"]);
});

test("unbinding says so where the device is shared all the same", async () => {
  await plug();
  await rack.bind("1-2", false);
  const { id } = await rules.add("auto-bind busid=1-*");
  assert.deepEqual(await rack.unbindAll(), [
    { busid: "1-2", identity: "46f4:0001 at 1-2", stillShared: `rule ${id}` },
  ]);
  assert.deepEqual(shared(), ["1-2 1/2"]);
});

test("a session keeps a device that a rule shares no more, and it can be shared again when that is over", async () => {
  await plug();
  const { id } = await rules.add("auto-bind");
  await rack.reconsider();
  const device = exports.find("1-2")!;
  exports.mark(device, true);
  await rules.remove(id);
  await rack.reconsider();
  assert.deepEqual([shared(), states()], [[], ["1-2 attached"]]);
  await rack.bind("1-2", false);
  assert.deepEqual(shared(), [], "somebody has it still");
  exports.mark(device, false);
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.deepEqual([shared(), states()], [["1-2 1/2"], ["1-2 free"]]);
});

test("an absent device is bound and unbound by its serial number, and by nothing else", async () => {
  await assert.rejects(rack.bind("1-9", false), /no device "1-9" is plugged in/);
  await assert.rejects(rack.bind("46f4:0001", false), /no device "46f4:0001" is plugged in/);
  await assert.rejects(rack.bind("nonsense", false), WrongUsage);
  const bound = await rack.bind("46F4:0001:Z9", false);
  assert.equal(bound.identity, "46f4:0001:Z9");
  assert.match(bound.warnings[0]!, /not plugged in/);
  await plug({ serial: "Z9" });
  assert.deepEqual(shared(), ["1-2 1/2"]);
  await hear([tree.unplug()]);
  assert.deepEqual(await rack.unbind("46f4:0001"), [{ identity: "46f4:0001:Z9" }]);
});

test("what this kernel has imported is shown and not shared", async () => {
  await rules.add("auto-bind");
  await plug({ name: "5-1", controller: "devices/platform/vhci_hcd.0", interfaces: { 0: "usb-storage" } });
  assert.deepEqual([shared(), states()], [[], ["5-1 imported"]]);
  await assert.rejects(rack.bind("5-1", true), /5-1 is plugged in elsewhere and attached here/);
});

test("a shared device that another program has is in use, and says so", async () => {
  await plug();
  await rack.bind("1-2", false);
  await hear([tree.unbind("1-2", 0), tree.bind("1-2", 0, "usbfs")]);
  assert.deepEqual([states(), rack.list()[0]!.drivers], [["1-2 in-use"], ["usbfs"]]);
});

test("a device whose node is missing is shared and says what stands in the way", async () => {
  await plug({ mode: null });
  const { warnings: bindWarnings } = await rack.bind("1-2", false);
  assert.match(bindWarnings[0]!, /has no device node: .*001\/002 is missing/);
  assert.match(rack.list()[0]!.obstacle!, /has no device node/);
  tree.allow("1-2", 0o660);
  await hear([]);
  assert.equal(rack.list()[0]!.obstacle, undefined);
});
