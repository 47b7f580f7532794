import assert from "node:assert/strict";
import { KEYBOARD, plug } from "../emulated-device.ts";
import { LIBUSB_HOST } from "../exporting.ts";
import type { Guest } from "../guest.ts";
import { GuestHost } from "../guest-host.ts";
import type { Scenario, ScenarioBoot } from "../scenario.ts";
import { claimedDrivers } from "./claimed-drivers.ts";
import { sharedKinds } from "./shared-kinds.ts";
import { sharedSound } from "./shared-sound.ts";
import { sticks } from "./shared-sticks.ts";
import { realConformance, surpriseRemovals } from "./usbfs.ts";

const CALLS = "test/vm/guest/hardware-calls.js";
const STATE = "/node/bin/node /repo/dist/src/cli/main.js state";
const PLACE = { controller: "xhci", port: 7 } as const;

export const LIBUSB_BOOT: ScenarioBoot = { modules: ["vhci-hcd"], controllers: ["uhci", "ehci", "xhci"] };

/** libusb as usbfs: the promises, and the same devices. It comes into the guest with the package usbutils. */
export const LIBUSB: readonly Scenario[] = [
  realConformance("libusb", "zero", "high"),
  claimedDrivers("libusb"),
  surpriseRemovals(4, "libusb"),
  sticks({ xhci: 2 }, LIBUSB_HOST),
  comingAndGoing(),
];

export const LIBUSB_LONG: readonly Scenario[] = [
  ...LIBUSB,
  realConformance("libusb", "zero", "full"),
  realConformance("libusb", "zero", "super"),
  realConformance("libusb-thread", "zero", "high"),
  realConformance("libusb", "keyboard", "low"),
  realConformance("libusb", "serial", "high"),
  surpriseRemovals(100, "libusb"),
  sticks({ uhci: 1, ehci: 1, xhci: 2 }, LIBUSB_HOST),
  sharedSound(1, LIBUSB_HOST),
  sharedKinds(LIBUSB_HOST),
];

interface Watched {
  readonly known: readonly string[];
  readonly there: readonly string[];
  readonly told: readonly string[];
}

function comingAndGoing(): Scenario {
  return {
    name: "libusb: devices that come and go are noticed, by looking where udev does not run, and at once where it does",
    expected: [{ pattern: /usbhid|hid|input/, reason: "drivers tell what they lose and find" }],
    timeoutMs: 180_000,
    async run(guest) {
      await watchFor(guest, "polling");
      const udev = await guest.spawn(["/usr/lib/systemd/systemd-udevd"], () => {});
      try {
        await guest.waitFor("udev", "[ -e /run/udev/control ]");
        await watchFor(guest, "hotplug");
        const host = await GuestHost.start(guest, "--gadget", "zero", "--usb-backend", "libusb");
        try {
          const { usb } = JSON.parse(await guest.shell(STATE, { timeoutMs: 60_000 })).host;
          assert.deepEqual([usb.backend, usb.arrivals], ["libusb", "hotplug"]);
          assert.match(usb.version, /^1\.0\.\d+$/);
        } finally {
          await host.end("SIGTERM");
        }
      } finally {
        await udev.kill("SIGKILL");
        await udev.exit;
        await guest.shell("rm -rf /run/udev");
      }
    },
  };
}

async function watchFor(guest: Guest, arrivals: string): Promise<void> {
  assert.equal(await guest.call(CALLS, "beginWatch", ["libusb"], 60_000), arrivals);
  try {
    const watched = async (): Promise<Watched> => (await guest.call(CALLS, "watched", [])) as Watched;
    for (let round = 0; round < 2; round++) {
      const { told } = await watched();
      const device = await plug(guest, KEYBOARD, PLACE);
      const came = (await watched()).there.find((each) => each.startsWith(`${device.busid}/`));
      await guest.waitFor("the device to be noticed", async () =>
        (await watched()).told.includes(`+${came}`),
      );
      await device.pull();
      await guest.waitFor("that it has gone", async () => (await watched()).told.includes(`-${came}`));
      assert.deepEqual((await watched()).told.slice(told.length), [`+${came}`, `-${came}`]);
    }
  } finally {
    await guest.call(CALLS, "endWatch", []);
  }
}
