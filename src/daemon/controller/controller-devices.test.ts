import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ManualLoop } from "../../../test/support/manual-loop.ts";
import { KEYBOARD, SysfsTree } from "../../../test/support/sysfs-tree.ts";
import { createGadget } from "../../gadgets/catalog.ts";
import type { Gadget } from "../../gadgets/gadget.ts";
import { HardwareTable } from "../../hardware/usbfs/hardware-table.ts";
import type { Uevent } from "../../linux/uevent.ts";
import type { UsbDevice, UsbHost } from "../../usb/device.ts";
import type { HardwareRack } from "../hardware/hardware-rack.ts";
import { StateFolder } from "../state/state-folder.ts";
import { ControllerDevices } from "./controller-devices.ts";
import { DistantSources } from "./distant-source.ts";
import { HardwareWishes } from "./hardware-wishes.ts";
import { PortTable, type Sockets } from "./port-table.ts";

/** Ports without a controller: devices are opened and closed. */
class BarePorts implements Sockets {
  readonly devices = new Map<number, UsbDevice>();
  readonly #loop: ManualLoop;
  left: (port: number) => void = () => {};

  constructor(loop: ManualLoop) {
    this.#loop = loop;
  }

  plug(device: UsbDevice, _port: undefined, done: Parameters<UsbDevice["open"]>[2]): number | undefined {
    const port = [1, 2, 3].find((number) => !this.devices.has(number));
    if (port === undefined) {
      done({ reason: "busy", message: "every port is taken." });
      return undefined;
    }
    const host: UsbHost = {
      complete: () => {},
      unplugged: () => {
        this.devices.delete(port);
        device.close(() => this.left(port));
      },
    };
    device.open(host, this.#loop, (refused) => {
      if (refused === undefined) this.devices.set(port, device);
      done(refused);
    });
    return port;
  }

  unplug(port: number, done: () => void): void {
    const device = this.devices.get(port);
    this.devices.delete(port);
    if (device === undefined) done();
    else device.close(done);
  }
}

let loop: ManualLoop;
let tree: SysfsTree;
let sockets: BarePorts;
let hardware: HardwareWishes;
let table: HardwareTable | undefined;
let rack: HardwareRack;
let devices: ControllerDevices;
let warnings: string[];
let sources: Map<string, Gadget>;

beforeEach(() => {
  loop = new ManualLoop();
  tree = new SysfsTree();
  sockets = new BarePorts(loop);
  warnings = [];
  sources = new Map();
  const log = { info() {}, warn: (_: object, line: string) => void warnings.push(line) };
  const ports = new PortTable(sockets, log);
  sockets.left = (port) => ports.left(port);
  hardware = new HardwareWishes({
    loop,
    log,
    roots: tree.roots,
    claims: undefined,
    changed: () => devices.hardwareChanged(),
    source: (device) => {
      const source = createGadget({ kind: "keyboard", speed: 2 });
      sources.set(device.busid, source);
      return source;
    },
    follow: async (told) => {
      rack = told;
      table = new HardwareTable(tree.roots, loop, rack);
      await hear([]);
    },
  });
  const folder = new StateFolder(tree.roots.sysfs);
  const distant = new DistantSources(loop, folder);
  devices = new ControllerDevices({ ports, loop, log, folder, distant, hardware });
});
afterEach(async () => {
  table?.close();
  table = undefined;
  await closed();
  tree.remove();
});

async function hear(happened: readonly Uevent[]): Promise<void> {
  for (const event of happened) table!.hear(event);
  await table!.lookAtAll();
  await rack.reconsider();
  await settled();
}

/** What was begun without anybody who waits is done. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) {
    loop.advance(1);
    // oxlint-disable-next-line no-await-in-loop -- one step of promises after the other
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

async function closed(): Promise<void> {
  const closing = devices.close();
  await settled();
  await closing;
}

async function unplug(text: string): Promise<void> {
  const unplugging = devices.unplug(text);
  await settled();
  await unplugging;
}

function shown(): string[] {
  return devices.list().map(({ name, port = "-", source }) => `${name} ${port} ${source}`);
}

test("a device of this machine is in a port whenever it is plugged in, and only if it was asked for", async () => {
  tree.plug({ serial: "A1" });
  assert.deepEqual(shown(), []);
  const plugged = await devices.plugDevice("46f4:0001");
  assert.deepEqual([plugged.name, plugged.port, plugged.source], ["1-2", 1, "46f4:0001"]);
  const [inPort, ...others] = sockets.devices.values();
  assert.equal(inPort!.descriptors, sources.get("1-2")!.descriptors);
  assert.deepEqual(others, []);
  sources.get("1-2")!.unplug();
  await hear([tree.unplug()]);
  assert.deepEqual(shown(), ["46f4:0001 - 46f4:0001"]);
  await hear(tree.plug({ name: "1-7", devnum: 9, serial: "A2" }));
  assert.deepEqual(shown(), ["1-7 1 46f4:0001"]);
  await unplug("1-7");
  assert.deepEqual([shown(), sockets.devices.size], [[], 0]);
  await hear([]);
  assert.deepEqual(shown(), []);
});

test("what this machine needs is refused, and had by force", async () => {
  tree.plug({ descriptors: KEYBOARD, interfaces: { 0: "usbhid" } });
  await assert.rejects(
    devices.plugDevice("1-2"),
    /1-2 is the last keyboard .* If that is meant: use --force\.$/,
  );
  await settled();
  assert.deepEqual([shown(), sockets.devices.size], [[], 0]);
  await devices.plugDevice("1-2", true);
  assert.deepEqual(shown(), ["1-2 1 1-2"]);
});

test("a device that finds no port is told of once, and tried again when it is plugged in anew", async () => {
  for (let i = 0; i < 3; i++) await devices.plugGadget("mouse");
  tree.plug({ serial: "A1" });
  assert.deepEqual(await devices.plugDevice("1-2"), { name: "1-2", source: "1-2" });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^NOT_PLUGGED 1-2 was not plugged in: every port is taken/);
  await unplug("mouse-2");
  await hear([tree.unplug()]);
  await hear(tree.plug({ serial: "A1", devnum: 3 }));
  assert.deepEqual(shown(), ["mouse 1 mouse", "1-2 2 1-2", "mouse-3 3 mouse"]);
});

test("all devices are given back at the end", async () => {
  tree.plug({ serial: "A1" });
  await devices.plugDevice("1-2");
  await devices.plugGadget("mouse");
  await closed();
  assert.equal(sockets.devices.size, 0);
});
