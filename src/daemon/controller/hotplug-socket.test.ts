import assert from "node:assert/strict";
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { sayAt } from "../../../test/support/hotplug-client.ts";
import { onLinux } from "../../../test/support/poll-loop.ts";
import { KEYBOARD, SysfsTree } from "../../../test/support/sysfs-tree.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import type { NodeNumbers } from "../../hardware/usbfs/node-numbers.ts";
import { connectUnix } from "../../linux/unix-socket.ts";
import { Speed } from "../../usb/speed.ts";
import { DmaTable } from "../../vfio-user/dma-table.ts";
import { MsixVectors } from "../../vfio-user/msix-vectors.ts";
import { DEFAULT_PLAN } from "../../xhci/capability-registers.ts";
import { Controller } from "../../xhci/controller.ts";
import { LibuvLoop } from "../libuv-loop.ts";
import { StateFolder } from "../state/state-folder.ts";
import { ControllerDevices } from "./controller-devices.ts";
import { DistantSources } from "./distant-source.ts";
import { HardwareWishes } from "./hardware-wishes.ts";
import { passDevice } from "./hotplug-client.ts";
import { HotplugSocket } from "./hotplug-socket.ts";
import { PassedDevices } from "./passed-devices.ts";
import { PortTable } from "./port-table.ts";

const ATTACH = 0;
const DETACH = 1;
const LIST = 2;

let folder: string;
let path: string;
let tree: SysfsTree;
let socket: HotplugSocket;
let devices: ControllerDevices;
let warnings: string[];
/** By what was passed. */
let numbers: Map<number, NodeNumbers>;
let sources: Gadget[];
/** Of a passed node: a file, that nothing else here has open. */
let node: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "usbferry-hotplug-"));
  path = join(folder, "hotplug.sock");
  tree = new SysfsTree();
  node = openSync(import.meta.filename, "r");
  warnings = [];
  numbers = new Map([[fstatSync(node).ino, { busnum: 1, devnum: 2 }]]);
  sources = [];
  const loop = new LibuvLoop();
  const log = { info() {}, warn: (_: object, line: string) => void warnings.push(line) };
  const xhci = new Controller({
    memory: new DmaTable(),
    line: new MsixVectors(DEFAULT_PLAN.interrupters),
    loop,
    left: (port) => ports.left(port),
  });
  const ports = new PortTable(xhci, log);
  const { roots } = tree;
  const claims = undefined;
  const changed = (): void => devices.hardwareChanged();
  const hardware = new HardwareWishes({ loop, log, roots, claims, changed, follow: async () => {} });
  const state = new StateFolder(folder);
  devices = new ControllerDevices({
    ports,
    loop,
    log,
    folder: state,
    distant: new DistantSources(loop, state),
    hardware,
  });
  const passed = new PassedDevices({
    devices,
    ports,
    roots,
    log,
    claims,
    numbersOf: (fd) => numbers.get(fstatSync(fd).ino),
    source: () => {
      const source = createGadget({ kind: "keyboard", speed: Speed.full });
      sources.push(source);
      return source;
    },
  });
  socket = await HotplugSocket.bind({ kind: "unix", path }, loop, passed);
});

afterEach(async () => {
  await socket.close();
  await devices.close();
  closeSync(node);
  tree.remove();
  rmSync(folder, { recursive: true, force: true });
});

const say = (bytes: readonly number[], fds: readonly number[] = []): Promise<number[]> =>
  sayAt(path, bytes, fds);

function shown(): string[] {
  return devices.list().map(({ name, port, source }) => `${name} ${port} ${source}`);
}

/** How often this process has the file of the node open. */
function copies(): number {
  const { ino } = fstatSync(node);
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fstatSync(Number(fd)).ino === ino;
    } catch {
      return false;
    }
  }).length;
}

test("an open node is handed over, listed, and given back", onLinux, async () => {
  tree.plug({ serial: "A1" });
  assert.deepEqual(await say([LIST, 0, 0]), [1, 0]);
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [0]);
  assert.deepEqual(shown(), ["1-2 1 001/002"]);
  assert.deepEqual(await say([LIST, 0, 0]), [1, 1, 1, 2]);
  assert.equal(copies(), 2);
  assert.deepEqual(await say([DETACH, 1, 2]), [0]);
  assert.deepEqual([shown(), copies()], [[], 1]);
  assert.deepEqual(await say([DETACH, 1, 2]), [5]);
  assert.deepEqual(warnings, []);
});

test("a device that is handed over again comes again", onLinux, async () => {
  tree.plug();
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [0]);
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [0]);
  assert.deepEqual([shown(), sources.length, copies()], [["1-2 1 001/002"], 2, 2]);
});

test("a device that was pulled out is listed no more, and its node is closed", onLinux, async () => {
  tree.plug();
  await say([ATTACH, 1, 2], [node]);
  sources[0]!.unplug();
  for (let tries = 0; tries < 100 && shown().length > 0; tries++) {
    // oxlint-disable-next-line no-await-in-loop -- looked at again
    await new Promise((resolve) => void setImmediate(resolve));
  }
  assert.deepEqual(await say([LIST, 0, 0]), [1, 0]);
  assert.equal(copies(), 1);
});

test("what cannot be had is answered with the reason, and kept open by nobody", onLinux, async () => {
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [3]);
  tree.plug();
  assert.deepEqual(await say([ATTACH, 1, 3], [node]), [4]);
  numbers.clear();
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [4]);
  numbers.set(fstatSync(node).ino, { busnum: 1, devnum: 2 });
  for (let i = 0; i < 8; i++) await devices.plugGadget("mouse");
  assert.deepEqual(await say([ATTACH, 1, 2], [node]), [2]);
  assert.equal(copies(), 1);
  assert.deepEqual(
    warnings.map((line) => line.replace(/ \(.*| \/.*/, "")),
    [
      "NOT_PLUGGED 001/002 was passed, and",
      "NOT_PLUGGED what was passed for 001/003 is not its open node",
      "NOT_PLUGGED what was passed for 001/002 is not its open node",
      "NOT_PLUGGED 001/002 was not plugged in: every port is taken",
    ],
  );
});

test("what is no request gets no answer, and takes nothing along", onLinux, async () => {
  tree.plug();
  assert.deepEqual(await say([ATTACH, 1, 2]), []);
  assert.deepEqual(await say([DETACH, 1, 2], [node]), []);
  assert.deepEqual(await say([LIST, 0, 0], [node]), []);
  assert.deepEqual(await say([3, 0, 0]), []);
  assert.deepEqual(await say([ATTACH, 1, 2], [node, node]), []);
  assert.deepEqual([shown(), copies()], [[], 1]);
});

test("whoever may open a device hands it over by its name", onLinux, async () => {
  const state = new StateFolder(folder);
  const pass = (device: string, isForced = false): Promise<unknown> =>
    passDevice(path, device, isForced, state, tree.roots);
  await assert.rejects(pass("1-2"), /there is no "1-2" at this machine/);
  tree.plug({ descriptors: KEYBOARD, interfaces: { 0: "usbhid" } });
  await assert.rejects(pass("1-2"), /1-2 is the last keyboard .* use --force\.$/);
  await assert.rejects(pass("1-2", true), /1-2 was not plugged in: the controller cannot use it/);
  numbers.set(statSync(join(tree.roots.dev, "bus/usb/001/002")).ino, { busnum: 1, devnum: 2 });
  await pass("0627:0001", true);
  assert.deepEqual(shown(), ["1-2 1 001/002"]);
  await socket.close();
  await assert.rejects(
    pass("1-2", true),
    /nobody listens at .*hotplug\.sock \(ENOENT\)\. Start a controller/,
  );
});

test("clients that say nothing are not many, and go with the socket", onLinux, async () => {
  const silent = Array.from({ length: 20 }, () => connectUnix(path));
  tree.plug();
  assert.deepEqual(await say([LIST, 0, 0]), []);
  await socket.close();
  for (const fd of silent) if (typeof fd === "number") closeSync(fd);
  assert.deepEqual(readdirSync(folder), []);
});

test("requests of several clients are carried out one after the other", onLinux, async () => {
  tree.plug();
  const answers = await Promise.all([
    say([ATTACH, 1, 2], [node]),
    say([ATTACH, 1, 2], [node]),
    say([LIST, 0, 0]),
    say([DETACH, 1, 2]),
  ]);
  assert.deepEqual(answers, [[0], [0], [1, 1, 1, 2], [0]]);
  assert.deepEqual([shown(), copies()], [[], 1]);
});
