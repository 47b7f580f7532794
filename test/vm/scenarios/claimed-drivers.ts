import assert from "node:assert/strict";
import { KEYBOARD, LOUDSPEAKER, type PluggedDevice, plug, serialAdapter } from "../emulated-device.ts";
import type { RealSourceName } from "../guest/real-source.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import type { Scenario } from "../scenario.ts";

const HOLDER = "test/vm/guest/device-holder.js";
const FOLDER = "/tmp/device-claims";

async function drivers(guest: Guest, devices: readonly PluggedDevice[]): Promise<string[]> {
  const lists: string[] = [];
  for (const { busid } of devices) {
    const names = (await guest.call("test/vm/guest/hardware.js", "driversOf", [busid])) as string[];
    lists.push(names.join(" "));
  }
  return lists;
}

/** A process that takes the devices and keeps them. */
async function hold(guest: Guest, source: RealSourceName, busids: readonly string[]): Promise<GuestProcess> {
  const lines: string[] = [];
  const argv = guest.nodeProgram(HOLDER, FOLDER, source, ...busids);
  const holder = await guest.spawn(argv, (line) => void lines.push(line));
  let ended = false;
  void holder.exit.then(() => {
    ended = true;
  });
  await guest.waitFor("the process to hold the devices", () => {
    assert(!ended, lines.join("\n"));
    return lines.includes("holding");
  });
  return holder;
}

/** Drivers lose their devices to a process, and get them back. */
export function claimedDrivers(source: RealSourceName): Scenario {
  return {
    name: `${source}: the drivers have their devices back after SIGTERM, and after SIGKILL when the next process begins`,
    expected: [
      { pattern: /ftdi_sio|snd_usb|usbhid|hid|input/, reason: "drivers tell what they lose and find" },
    ],
    timeoutMs: 180_000,
    async run(guest) {
      await guest.loadModule("usbhid", "hid-generic", "ftdi_sio", "snd-usb-audio");
      const { device: serial, wire } = await serialAdapter(guest);
      const devices = [
        await plug(guest, KEYBOARD, { controller: "uhci", port: 2 }),
        await plug(guest, serial, { controller: "xhci", port: 5 }),
        await plug(guest, LOUDSPEAKER, { controller: "xhci", port: 6 }),
      ];
      const busids = devices.map(({ busid }) => busid);
      try {
        const expected = ["usbhid", "ftdi_sio", "snd-usb-audio snd-usb-audio"];
        await guest.waitFor("the drivers", async () => {
          return (await drivers(guest, devices)).join() === expected.join();
        });
        const taken = expected.map((names) => names.replaceAll(/\S+/g, "usbfs"));

        const polite = await hold(guest, source, busids);
        // Open is not held up by the first reset, for which the device is let go of once more.
        await guest.waitFor("the devices to be taken", async () => {
          return (await drivers(guest, devices)).join() === taken.join();
        });
        await polite.kill("SIGTERM");
        assert.deepEqual(await polite.exit, { code: 0, signal: null });
        assert.deepEqual(await drivers(guest, devices), expected);
        assert.deepEqual(await guest.call(HOLDER, "repair", [FOLDER, busids], 60_000), []);

        const killed = await hold(guest, source, busids);
        await killed.kill("SIGKILL");
        await killed.exit;
        assert.deepEqual(
          await drivers(guest, devices),
          expected.map((names) => names.replaceAll(/\S+/g, "")),
          "the kernel itself gives nothing back",
        );
        const repairs = (await guest.call(HOLDER, "repair", [FOLDER, busids], 60_000)) as string[];
        assert.deepEqual(repairs.toSorted(), busids.map((busid) => `${busid} repaired`).toSorted());
        assert.deepEqual(await drivers(guest, devices), expected);
        assert.deepEqual(await guest.call(HOLDER, "repair", [FOLDER, busids], 60_000), []);
      } finally {
        for (const { pull } of devices) await pull();
        wire.destroy();
      }
    },
  };
}
