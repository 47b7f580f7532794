import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerProcess } from "../../support/controller-process.ts";
import type { Attachment, AttachWay } from "../attachment.ts";
import { blockDevice } from "../disk.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { GROUPS, runGroup, UNLINK_RETRY } from "./usbtest.ts";

const DISK_BYTES = 2 << 20;
const SERIAL_BYTES = 64 << 10;

/** find SERIAL: waits until the device with this serial number is configured, and prints `sysfsName speed busnum devnum`. */
const FIND = `
tries=0
while [ $tries -lt 1000 ]; do
  serial=$(grep -lxF "$1" /sys/bus/usb/devices/*/serial 2>/dev/null)
  device=\${serial%/serial}
  if [ -n "$serial" ] && [ -n "$(cat $device/bConfigurationValue)" ]; then
    echo $(basename $device) $(cat $device/speed $device/busnum $device/devnum)
    exit 0
  fi
  usleep 20000
  tries=$((tries+1))
done
echo "$1 is plugged in but never configured" >&2
exit 1`;

/** The device with this serial number, as soon as the guest has configured it. */
export async function find(guest: Guest, serial: string): Promise<Attachment> {
  await guest.writeFile("/tmp/find", FIND);
  const line = await guest.shell(`sh /tmp/find ${serial}`, { timeoutMs: 60_000 });
  const [sysfsName, speed, busnum, devnum] = line.trim().split(" ");
  const node = `/dev/bus/usb/${busnum!.padStart(3, "0")}/${devnum!.padStart(3, "0")}`;
  return { busid: serial, sysfsName: sysfsName!, node, speed: speed! };
}

/** The device in a port of the controller, from 1, as soon as the guest has configured it. Its first eight are of USB 2. */
export async function findAt(guest: Guest, port: number): Promise<Omit<Attachment, "busid">> {
  const hub = port <= 8 ? `1-${port}` : `2-${port - 8}`;
  const folder = `/sys/bus/usb/devices/${hub}`;
  await guest.waitFor(`a device in port ${port}`, `[ -n "$(cat ${folder}/bConfigurationValue)" ]`);
  const numbers = await guest.shell(`cat ${folder}/speed ${folder}/busnum ${folder}/devnum`);
  const [speed, busnum, devnum] = numbers.trim().split("\n");
  const node = `/dev/bus/usb/${busnum!.padStart(3, "0")}/${devnum!.padStart(3, "0")}`;
  return { sysfsName: hub, node, speed: speed! };
}

async function untilGone(guest: Guest, { sysfsName }: Attachment): Promise<void> {
  await guest.waitFor(`${sysfsName} to be gone`, `! test -e /sys/bus/usb/devices/${sysfsName}`);
}

/** Devices of a USB/IP server, which the controller imports: nothing of USB/IP is in the guest. */
export function throughController(controller: ControllerProcess): AttachWay {
  const plugged: Attachment[] = [];
  return {
    words: ", imported by a virtual controller",
    async attach(guest, port, busids) {
      const found: Attachment[] = [];
      for (const busid of busids) {
        // oxlint-disable-next-line no-await-in-loop -- their order is that of the ports
        await controller.plug(`${busid}@tcp:127.0.0.1:${port}`);
        // oxlint-disable-next-line no-await-in-loop
        found.push(await find(guest, busid));
      }
      plugged.push(...found);
      return found;
    },
    async detachAll(guest) {
      const { devices } = await controller.state();
      const imported = devices.filter(({ name }) => name.includes("@"));
      await Promise.all(imported.map(({ name }) => controller.unplug(name)));
      await Promise.all(plugged.splice(0).map((attachment) => untilGone(guest, attachment)));
    },
  };
}

/** Gadgets that were there before the guest was, and others that come and go. */
export function gadgetsOfController(controller: ControllerProcess): Scenario {
  return {
    name: "xhci_hcd drives a virtual controller: disk, zero, keyboard and serial port, plugged in and out",
    timeoutMs: 180_000,
    expected: [UNLINK_RETRY],
    async run(guest) {
      await guest.loadModule("xhci-pci");
      const { connected } = await controller.state();
      assert.equal(connected, true);
      const disk = await find(guest, "first");
      assert.equal(disk.speed, "5000");
      await readAndWrite(guest, disk);

      await controller.plug("keyboard,serial=keys");
      const keys = await find(guest, "keys");
      await guest.loadModule("usbhid", "hid-generic", "evdev");
      const input = `/sys/bus/usb/devices/${keys.sysfsName}/*:*/*/input/input*/event*`;
      await guest.waitFor("an input device", `ls -d ${input}`);

      await controller.plug("serial,serial=bytes");
      await guest.loadModule("cdc-acm");
      const bytes = await find(guest, "bytes");
      await guest.waitFor("the port", "test -c /dev/ttyACM0");
      await guest.shell("stty -F /dev/ttyACM0 raw -echo");
      const echoed = guest.call("test/vm/guest/serial.js", "exchange", ["/dev/ttyACM0", SERIAL_BYTES]);
      assert.equal(await echoed, -1);

      await guest.loadModule("usbtest");
      for (const speed of ["full", "high", "super"]) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await controller.plug(`zero,serial=${speed},speed=${speed},pattern=63`);
        // oxlint-disable-next-line no-await-in-loop
        await shortUsbtest(guest, await find(guest, speed));
      }
      await guest.unloadModule("usbtest");

      for (const { name } of (await controller.state()).devices) {
        // oxlint-disable-next-line no-await-in-loop -- as a hand does it
        if (name !== "disk") await controller.unplug(name);
      }
      await Promise.all([keys, bytes].map((gone) => untilGone(guest, gone)));
      await readAndWrite(guest, disk);
    },
  };
}

export async function readAndWrite(guest: Guest, disk: Attachment): Promise<void> {
  const node = await blockDevice(guest, disk.sysfsName);
  const content = randomBytes(DISK_BYTES);
  writeFileSync(join(guest.scratch, "written"), content);
  await guest.shell(`
    dd if=/scratch/written of=${node} bs=256k oflag=direct 2>/dev/null
    dd if=${node} of=/scratch/read bs=64k count=${DISK_BYTES >> 16} iflag=direct 2>/dev/null`);
  assert(readFileSync(join(guest.scratch, "read")).equals(content));
}

async function shortUsbtest(guest: Guest, zero: Attachment): Promise<void> {
  const failed: string[] = [];
  for (const group of GROUPS) {
    // oxlint-disable-next-line no-await-in-loop -- one driver, one case after the other
    if (group.zeros !== true) failed.push(...(await runGroup(guest, zero, group, 1)));
  }
  assert.deepEqual(failed, []);
}

/** The driver is taken away and given back: the controller begins anew each time, and its devices are those from before. */
export function driverReloads(controller: ControllerProcess, times: number): Scenario {
  return {
    name: `the driver of a virtual controller is loaded anew ${times} times`,
    async run(guest) {
      const before = await controller.state();
      for (let i = 0; i < times; i++) {
        // oxlint-disable-next-line no-await-in-loop -- one life after the other
        await guest.unloadModule("xhci-pci");
        // oxlint-disable-next-line no-await-in-loop
        await guest.loadModule("xhci-pci");
        // oxlint-disable-next-line no-await-in-loop
        await readAndWrite(guest, await find(guest, "first"));
      }
      assert.deepEqual(await controller.state(), before);
    },
  };
}

/** What the kernel says of a device that goes away while it is being enumerated or used. */
export const GONE_LINES = [
  { pattern: /usb .*: device descriptor read\/(64|8|all), error -\d+/, reason: "it left while it was asked" },
  {
    pattern:
      /usb .*: (device not (accepting address|responding to setup (address|context))|hub failed to enable device)/i,
    reason: "the same",
  },
  { pattern: /usb .*: (can't|unable to) (read configurations|set config|get BOS)/, reason: "the same" },
  { pattern: /usb usb\d-port\d+: (unable to enumerate USB device|attempt power cycle)/, reason: "the same" },
  { pattern: /usb usb\d-port\d+: (cannot reset|cannot disable|couldn't allocate)/, reason: "the same" },
  { pattern: /usb .*: (config|interface) .*error/, reason: "the same" },
  {
    pattern: /hub .*: hub_(hub|ext_port)_status failed \(err = -108\)/,
    reason: "the driver was taken away while its hub was asked",
  },
  {
    pattern: /I\/O error, dev sd|Buffer I\/O error on dev|sd .*: .*(rejecting I\/O|Synchroniz|failed|FAILED)/,
    reason: "a disk left in the middle of a read",
  },
];

/** Plugged in and out, sooner or later: before, while and after the guest looks at it. */
export function plugCycles(controller: ControllerProcess, cycles: number): Scenario {
  return {
    name: `a device is plugged into a virtual controller and out of it ${cycles} times`,
    expected: GONE_LINES,
    async run(guest) {
      await guest.loadModule("xhci-pci");
      for (let i = 0; i < cycles; i++) {
        const speed = i % 2 === 0 ? "high" : "super";
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const { name } = await controller.plug(`zero,serial=cycle${i},speed=${speed}`);
        // oxlint-disable-next-line no-await-in-loop
        if (i % 4 === 3) await find(guest, `cycle${i}`);
        // oxlint-disable-next-line no-await-in-loop
        else await sleep(i * 20);
        // oxlint-disable-next-line no-await-in-loop
        await controller.unplug(name);
      }
      await controller.plug("zero,serial=last,speed=super");
      await find(guest, "last");
      await controller.unplug("zero");
      await guest.waitFor("every zero to be gone", "! grep -qi a4a0 /sys/bus/usb/devices/*/idProduct");
    },
  };
}

/** A disk is pulled while it is read from; whoever reads is told, and the next disk works. */
export function pulledDisk(controller: ControllerProcess): Scenario {
  return {
    name: "a disk is taken from a virtual controller while it is read",
    expected: GONE_LINES,
    async run(guest) {
      await guest.loadModule("xhci-pci");
      await controller.plug("disk,size=2M,serial=pulled");
      const disk = await find(guest, "pulled");
      const node = await blockDevice(guest, disk.sysfsName);
      const reading = guest.run([
        "sh",
        "-c",
        `while dd if=${node} of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done`,
      ]);
      await sleep(500);
      await controller.unplug("disk,size=2M,serial=pulled");
      assert.equal((await reading).code, 0);
      await untilGone(guest, disk);
      await controller.plug("disk,size=2M,serial=next");
      await readAndWrite(guest, await find(guest, "next"));
      await controller.unplug("disk,size=2M,serial=next");
    },
  };
}
