import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerProcess } from "../../support/controller-process.ts";
import { blockDevice } from "../disk.ts";
import { pressKeys } from "../emulated-device.ts";
import type { Guest } from "../guest.ts";
import type { Scenario } from "../scenario.ts";
import { UsbLoad } from "../usb-load.ts";
import { DISK_LOST_LINES } from "./disk.ts";
import { find, GONE_LINES, readAndWrite } from "./virtual-controller.ts";

const SOUND = "audio,speed=full,serial=sound";
/** The disk that a controller of these scenarios has from its start. */
const DISK = "first";

const LINES = [
  ...GONE_LINES,
  ...DISK_LOST_LINES,
  {
    pattern: /usb .*: (\d+:\d+: )?(usb_set_interface failed|cannot (submit|set)|Unable to submit urb)/,
    reason: "the sound card leaves while it plays",
  },
];

async function begin(guest: Guest): Promise<UsbLoad> {
  const disk = await find(guest, DISK);
  await find(guest, "sound");
  return UsbLoad.start(guest, await blockDevice(guest, disk.sysfsName));
}

/** Whatever the driver of a controller has begun, its devices are there when another driver begins. */
async function untilUsable(guest: Guest): Promise<void> {
  await find(guest, "sound");
  await readAndWrite(guest, await find(guest, DISK));
}

const PCI = "/sys/bus/pci";

/** How a driver is taken from the controller at an address, and given back. */
const TURNS = {
  unload: () => ["rmmod xhci_pci", "modprobe xhci-pci"],
  unbind: (at: string) => [
    `echo ${at} > ${PCI}/drivers/xhci_hcd/unbind`,
    `echo ${at} > ${PCI}/drivers/xhci_hcd/bind`,
  ],
  remove: (at: string) => [`echo 1 > ${PCI}/devices/${at}/remove`, `echo 1 > ${PCI}/rescan`],
} as const;

/** The driver is taken away while a disk is read and sound is played and captured, and given back. */
export function driverTakenUnderLoad(controller: ControllerProcess, times: number): Scenario {
  return {
    name: `the driver of a virtual controller is unloaded, unbound and removed under load, ${times} times each`,
    timeoutMs: 60_000 + times * 60_000,
    expected: LINES,
    async run(guest) {
      await guest.loadModule("xhci-pci");
      await controller.plug(SOUND);
      const address = (await guest.shell(`basename ${PCI}/drivers/xhci_hcd/0000:*`)).trim();
      for (let i = 0; i < times; i++) {
        for (const turn of Object.values(TURNS)) {
          const [away, back] = turn(address);
          const load = await begin(guest);
          await guest.shell(away!);
          await load.ended();
          await guest.shell(back!);
          await untilUsable(guest);
        }
      }
      await controller.unplug(SOUND);
    },
  };
}

/** The machine of a VM starts anew under load: its controller and the devices stay the same. */
export function restartsUnderLoad(
  controller: ControllerProcess,
  ways: readonly ("reboot" | "reset")[],
): Scenario {
  return {
    name: `a VM with a virtual controller starts anew under load: ${ways.join(", ")}`,
    timeoutMs: 60_000 + ways.length * 60_000,
    expected: LINES,
    async run(guest) {
      await guest.loadModule("xhci-pci");
      await controller.plug(SOUND);
      const before = await controller.state();
      const connections = controller.lines.filter(({ code }) => code === "VM_CONNECTED").length;
      for (const how of ways) {
        await begin(guest);
        await guest.restart(how);
        await guest.loadModule("xhci-pci");
        await untilUsable(guest);
      }
      assert.deepEqual(await controller.state(), before);
      const { length } = controller.lines.filter(({ code }) => code === "VM_CONNECTED");
      assert.equal(length, connections, "the VMM has kept its connection");
      await controller.unplug(SOUND);
    },
  };
}

/** The last scenario of a guest, whose QEMU is then killed. */
export function leftUnderLoad(controller: ControllerProcess): Scenario {
  return {
    name: "a VM is killed while a disk of its virtual controller is read and sound is played",
    async run(guest) {
      await guest.loadModule("xhci-pci");
      await controller.plug(SOUND);
      await begin(guest);
    },
  };
}

/** The first scenario of the next guest. */
export function afterKilled(controller: ControllerProcess): Scenario {
  return {
    name: "the next VM finds the devices of one that was killed under load",
    async run(guest) {
      assert.deepEqual(
        controller.lines.map(({ code }) => code).filter((code) => code.startsWith("VM_")),
        ["VM_CONNECTED", "VM_GONE", "VM_CONNECTED"],
      );
      await guest.loadModule("xhci-pci");
      await untilUsable(guest);
      await controller.unplug(SOUND);
    },
  };
}

/**
 * A VM sleeps with a file system mounted on a disk of its virtual controller. The guest's shared folders do not survive that, so it
 * has to be the last scenario of a guest, and needs nothing of them afterwards.
 */
export function sleeping(controller: ControllerProcess, times: number): Scenario {
  return {
    name: `a VM sleeps ${times} times, and the devices of its virtual controller work on`,
    timeoutMs: 120_000,
    async run(guest) {
      await guest.loadModule("xhci-pci");
      await controller.plug("keyboard,serial=keys");
      await find(guest, "keys");
      const disk = await find(guest, DISK);
      const node = await blockDevice(guest, disk.sysfsName);
      const content = randomBytes(1 << 18);
      await guest.writeFile("/tmp/before", content);
      await guest.shell(
        `mkdir -p /tmp/asleep; mkfs.ext4 -q ${node}; mount -t ext4 ${node} /tmp/asleep; cp /tmp/before /tmp/asleep`,
      );
      const before = await numbers(guest);
      const lines: string[] = [];
      const { exit } = await guest.spawn(["sh", "-c", sleepScript(times)], (line) => void lines.push(line));
      let isOver = false;
      const { code } = await Promise.race([exit, wakeAgainAndAgain(guest, () => isOver)]);
      isOver = true;
      assert.equal(code, 0, lines.join("\n"));
      assert.equal(lines.length, times);
      for (const line of lines) assert.equal(line, before);
    },
  };
}

/** The numbers of all devices, which they have until they are plugged in anew. */
const NUMBERS = "echo $(cat /sys/bus/usb/devices/[12]-*/devnum)";

async function numbers(guest: Guest): Promise<string> {
  return (await guest.shell(NUMBERS)).trim();
}

/** Prints one line each time when what is on the disk is right. Nothing of it is in a folder that the guest shares. */
function sleepScript(times: number): string {
  return `
    cd /tmp
    echo enabled > /sys/devices/platform/i8042/serio0/power/wakeup
    i=0
    while [ $i -lt ${times} ]; do
      echo freeze > /sys/power/state || exit 1
      dd if=before of=asleep/after bs=64k conv=fsync || exit 2
      for name in before after; do
        dd if=asleep/$name of=read bs=64k iflag=direct && cmp before read || exit 3
      done 2>/dev/null
      ${NUMBERS}
      i=$((i + 1))
    done 2>/dev/null
    umount asleep`;
}

/** Presses a key of the machine's own keyboard every second. */
async function wakeAgainAndAgain(guest: Guest, isOver: () => boolean): Promise<never> {
  while (!isOver()) {
    await sleep(1_000);
    await pressKeys(guest, ["shift"]);
  }
  return new Promise(() => {});
}
