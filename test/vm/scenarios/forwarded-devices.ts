import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerProcess } from "../../support/controller-process.ts";
import { blockDevice } from "../disk.ts";
import {
  type EmulatedDevice,
  type Place,
  type PluggedDevice,
  plug,
  pressKeys,
  stick,
} from "../emulated-device.ts";
import type { Guest } from "../guest.ts";
import type { GuestHost } from "../guest-host.ts";
import { inputEvents } from "../input-events.ts";
import type { Scenario } from "../scenario.ts";
import type { ControllerName } from "../usb-controllers.ts";
import { DISK_LOST_LINES } from "./disk.ts";
import { DISK_LINES, readAndWrite, type Sticks } from "./shared-sticks.ts";
import { findAt, GONE_LINES } from "./virtual-controller.ts";

const LINES = [
  ...GONE_LINES,
  ...DISK_LOST_LINES,
  ...DISK_LINES,
  {
    pattern: /^(device offline error, dev sd|Dev sd\w+: unable to read)/,
    reason: "a stick leaves while its partitions are looked for",
  },
];

/** include/uapi/linux/input-event-codes.h */
const EV_KEY = 1;
const KEY_LEFTCTRL = 29;

/** Speeds of what is plugged into a controller of QEMU's, in Mbit/s. */
const SPEEDS: Readonly<Record<ControllerName, string>> = { uhci: "12", ehci: "480", xhci: "5000" };

/** A machine that owns devices, a virtual controller that imports them from it, and the VM that has the controller. */
export interface Forwarding {
  readonly owner: Guest;
  readonly host: GuestHost;
  /** Of that host, on this machine. */
  readonly port: number;
  readonly controller: ControllerProcess;
}

/** Plugs a device of the owner into the controller; answers the number of its port, from 1. */
async function forward({ owner, host, port, controller }: Forwarding, busid: string): Promise<number> {
  const ofIt = (line: string): boolean => line.includes(`SHARED","busid":"${busid}"`);
  await owner.waitFor(`${busid} to be shared`, () => host.log.findLast(ofIt)?.includes('"SHARED"') === true);
  const source = `${busid}@tcp:127.0.0.1:${port}`;
  let why: unknown;
  // Its host may still take it back from the last time.
  for (let tries = 0; tries < 100; tries++) {
    try {
      return (await controller.plug(source)).port!;
    } catch (error) {
      why = error;
    }
    await sleep(300);
  }
  throw why;
}

async function takeBack({ port, controller }: Forwarding, busid: string): Promise<void> {
  await controller.unplug(`${busid}@tcp:127.0.0.1:${port}`);
}

async function newStick(owner: Guest, bytes: number, place: Place): Promise<Owned> {
  const image = join(owner.folder, `stick-${place.controller}-${place.port}`);
  await writeFile(image, randomBytes(bytes));
  return { image, ...(await plug(owner, await stick(owner, image), place)) };
}

interface Owned extends PluggedDevice {
  readonly image: string;
}

/** usbvfiod: blockdevice-usb-{1_1,2,3}. */
export function forwardedSticks(forwarding: Forwarding, sizes: Sticks): Scenario {
  const words = Object.entries(sizes).map(([name, size]) => `${size} MiB on ${name}`);
  return {
    name: `sticks of another machine are read whole and written: ${words.join(", ")}`,
    timeoutMs: 240_000,
    expected: LINES,
    async run(user) {
      const { owner } = forwarding;
      for (const [name, size] of Object.entries(sizes) as [ControllerName, number][]) {
        const { busid, image, pull } = await newStick(owner, size << 20, { controller: name, port: 1 });
        const found = await findAt(user, await forward(forwarding, busid));
        assert.equal(found.speed, SPEEDS[name]);
        await readAndWrite(user, { ...found, busid }, image);
        await takeBack(forwarding, busid);
        await pull();
      }
    },
  };
}

/** usbvfiod: multiple-blockdevices, four of high and four of super speed. */
export function eightSticks(forwarding: Forwarding): Scenario {
  return {
    name: "eight sticks of another machine are there at once",
    timeoutMs: 240_000,
    expected: LINES,
    async run(user) {
      const { owner } = forwarding;
      const owned: Owned[] = [];
      for (const controller of ["ehci", "xhci"] as const) {
        for (let port = 1; port <= 4; port++) {
          owned.push(await newStick(owner, (1 << 20) + port * 65_536, { controller, port }));
        }
      }
      const ports: number[] = [];
      for (const { busid } of owned) ports.push(await forward(forwarding, busid));
      assert.deepEqual(ports, [1, 2, 3, 4, 9, 10, 11, 12]);
      const found = await Promise.all(ports.map((port) => findAt(user, port)));
      await Promise.all(
        found.map(async (each, i) => {
          const { busid, image } = owned[i]!;
          await readAndWrite(user, { ...each, busid }, image, `/tmp/written-${i}`);
        }),
      );
      for (const { busid, pull } of owned) {
        await takeBack(forwarding, busid);
        await pull();
      }
    },
  };
}

/** usbvfiod: interrupt-endpoint-usb-*. */
export function forwardedKeyboards(forwarding: Forwarding): Scenario {
  return {
    name: "keyboards of another machine, at controllers of three kinds, are typed on",
    timeoutMs: 180_000,
    expected: LINES,
    async run(user) {
      for (const controller of ["uhci", "ehci", "xhci"] as const) {
        const properties = { usb_version: controller === "uhci" ? 1 : 2 };
        const keyboard: EmulatedDevice = { driver: "usb-kbd", properties };
        const { busid, pull } = await plug(forwarding.owner, keyboard, { controller, port: 1 });
        const found = await findAt(user, await forward(forwarding, busid));
        const { events, stop } = await inputEvents(user, found);
        const keys = (): number[] => events.filter(({ type }) => type === EV_KEY).map(({ code }) => code);
        await pressKeys(forwarding.owner, ["ctrl", "ctrl", "ctrl"]);
        await user.waitFor("six changes of a key", () => keys().length >= 6).finally(stop);
        assert.deepEqual(keys(), Array(6).fill(KEY_LEFTCTRL));
        await takeBack(forwarding, busid);
        await pull();
      }
    },
  };
}

/** usbvfiod: attach-detach-usb-*, 19 times, also in the midst of an enumeration. */
export function attachDetach(
  forwarding: Forwarding,
  controllers: readonly ControllerName[],
  times: number,
): Scenario {
  return {
    name: `a stick of another machine comes and goes ${times} times at ${controllers.join(", ")}`,
    timeoutMs: 60_000 + controllers.length * times * 6_000,
    expected: LINES,
    async run(user) {
      const { owner, controller } = forwarding;
      const names = async (): Promise<string[]> => (await controller.state()).devices.map(({ name }) => name);
      for (const name of controllers) {
        const { busid, pull } = await newStick(owner, 1 << 20, { controller: name, port: 1 });
        for (let i = 1; i <= times; i++) {
          assert.deepEqual(await names(), []);
          const port = await forward(forwarding, busid);
          assert.equal((await names()).length, 1);
          if (i % 2 === 0) {
            const found = await findAt(user, port);
            if (i % 4 === 0) await blockDevice(user, found.sysfsName);
          }
          await takeBack(forwarding, busid);
        }
        await untilNone(user);
        await pull();
      }
    },
  };
}

/** usbvfiod: forceful-removal, 16 times. A controller of ours asks for the device until it is back, or is told not to. */
export function surpriseRemovals(forwarding: Forwarding, times: number): Scenario {
  return {
    name: `a stick is pulled out of another machine ${times} times`,
    timeoutMs: 60_000 + times * 10_000,
    expected: LINES,
    async run(user) {
      const { owner, controller } = forwarding;
      for (let i = 1; i <= times; i++) {
        const { busid, pull } = await newStick(owner, 1 << 20, { controller: "xhci", port: 1 });
        const port = await forward(forwarding, busid);
        const found = i % 2 === 0 ? await findAt(user, port) : undefined;
        const node = found && i % 4 === 0 ? await blockDevice(user, found.sysfsName) : undefined;
        const reading =
          node && user.run(["sh", "-c", `while dd if=${node} of=/dev/null bs=64k iflag=direct; do :; done`]);
        await pull();
        await user.waitFor("it to have left", async () =>
          (await controller.state()).devices.every((device) => device.port === undefined),
        );
        await untilNone(user);
        await reading;
        await takeBack(forwarding, busid);
      }
    },
  };
}

/** usbvfiod: controller-reset-usb-*. */
export function forwardedReloads(forwarding: Forwarding, times: number): Scenario {
  return {
    name: `the driver of a virtual controller is loaded anew ${times} times, with a stick of another machine`,
    timeoutMs: 60_000 + times * 30_000,
    expected: LINES,
    async run(user) {
      const { owner } = forwarding;
      const { busid, image, pull } = await newStick(owner, 2 << 20, { controller: "ehci", port: 1 });
      const port = await forward(forwarding, busid);
      await findAt(user, port);
      for (let i = 0; i < times; i++) {
        await user.unloadModule("xhci-pci");
        await user.loadModule("xhci-pci");
        await readAndWrite(user, { ...(await findAt(user, port)), busid }, image);
      }
      await takeBack(forwarding, busid);
      await pull();
    },
  };
}

/** A stick that is plugged in again at the same place is in the VM again, and nobody asked for it. */
export function comesBack(forwarding: Forwarding): Scenario {
  return {
    name: "a stick of another machine is pulled out and plugged in again, and comes back by itself",
    timeoutMs: 120_000,
    expected: LINES,
    async run(user) {
      const { owner } = forwarding;
      const place: Place = { controller: "xhci", port: 1 };
      const first = await newStick(owner, 1 << 20, place);
      const port = await forward(forwarding, first.busid);
      await findAt(user, port);
      await first.pull();
      await untilNone(user);
      const again = await newStick(owner, 2 << 20, place);
      assert.equal(again.busid, first.busid);
      await readAndWrite(user, { ...(await findAt(user, port)), busid: again.busid }, again.image);
      await takeBack(forwarding, again.busid);
      await again.pull();
    },
  };
}

async function untilNone(user: Guest): Promise<void> {
  await user.waitFor("every device to be gone", "! ls -d /sys/bus/usb/devices/[0-9]*-[1-9]*");
}
