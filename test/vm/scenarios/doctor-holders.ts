import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { blockDevice } from "../disk.ts";
import { KEYBOARD, plug, serialAdapter, stick } from "../emulated-device.ts";
import { DOCTOR_MS, Examination, follow } from "../examination.ts";
import type { Guest, GuestProcess } from "../guest.ts";
import type { Scenario } from "../scenario.ts";

/** A program that goes by a name and has a file open, until it is killed. */
async function holding(guest: Guest, name: string, path: string): Promise<GuestProcess> {
  await guest.shell(
    `[ -p /tmp/wait ] || mkfifo /tmp/wait; printf '#!/bin/sh\\nexec 3<>${path}; echo has; read line < /tmp/wait' > /tmp/${name}; chmod +x /tmp/${name}`,
  );
  let isThere = false;
  const program = await guest.spawn([`/tmp/${name}`], (line) => {
    if (line === "has") isThere = true;
  });
  await guest.waitFor(`${name} with ${path}`, () => isThere);
  return program;
}

async function end(program: GuestProcess): Promise<void> {
  await program.kill("SIGKILL");
  await program.exit;
}

export const noUsb: Scenario = {
  name: "doctor: a machine without USB, and its advice",
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.unloadModule("xhci-pci", "xhci-hcd", "usbcore");
    const none = (await Examination.of(guest, "host")).one("NO_USB");
    await follow(guest, none, 1);
    const examined = await Examination.of(guest, "host");
    assert.deepEqual(examined.problems, []);
    assert.match(examined.one("USBFS_THERE").what, /none is plugged in/);
    const small = examined.one("USBFS_MEMORY_SMALL");
    assert.match(small.what, /16 MiB/);
    await follow(guest, small);
    (await Examination.of(guest, "host")).one("USBFS_MEMORY_LARGE");

    await guest.shell("mount -t tmpfs none /dev/bus/usb");
    assert.deepEqual((await Examination.of(guest, "host")).problems, ["USBFS_MISSING"]);
    await guest.shell("umount /dev/bus/usb");
  },
};

export const holders: Scenario = {
  name: "doctor: devices that are held by drivers, file systems, programs and usbip-host",
  expected: [
    { pattern: /usb-storage|scsi|sd |EXT4-fs/, reason: "its drivers speak of each disk" },
    { pattern: /usbip-host .*: usbip-host: register new device/, reason: "usbip-host warns of each bind" },
    { pattern: /ftdi_sio|usb_serial/, reason: "its driver speaks of each adapter" },
  ],
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule(
      "xhci-pci",
      "usb-storage",
      "sd_mod",
      "usbhid",
      "hid-generic",
      "ftdi_sio",
      "ext4",
      "usbmon",
    );
    const image = join(guest.folder, "stick");
    writeFileSync(image, Buffer.alloc(4 << 20));
    const adapter = await serialAdapter(guest);
    const memory = await plug(guest, await stick(guest, image), { controller: "xhci", port: 1 });
    const serial = await plug(guest, adapter.device, { controller: "xhci", port: 2 });
    const keyboard = await plug(guest, KEYBOARD, { controller: "xhci", port: 3 });
    const disk = await blockDevice(guest, memory.busid);
    await guest.waitFor("the serial port", "test -c /dev/ttyUSB0");
    await guest.waitFor("the keyboard's driver", `test -e /sys/bus/usb/devices/${keyboard.busid}:1.0/driver`);

    const used = await Examination.of(guest, "host");
    assert.deepEqual(used.problems, []);
    const drivers = used.one("DEVICE_HAS_DRIVER").what;
    for (const [{ busid }, driver] of [
      [memory, "usb-storage"],
      [serial, "ftdi_sio"],
      [keyboard, "usbhid"],
    ] as const)
      assert.match(drivers, new RegExp(`${busid} \\(\\w{4}:\\w{4}\\): ${driver} \\(interface 0\\)`));

    await guest.shell(`mke2fs -q ${disk}; mkdir -p "/tmp/my disk"; mount ${disk} "/tmp/my disk"`);
    const mounted = (await Examination.of(guest, "host")).one("DEVICE_MOUNTED");
    assert.match(mounted.what, new RegExp(`of ${memory.busid} .*at /tmp/my disk\\.`));
    await follow(guest, mounted);

    const modem = await holding(guest, "ModemManager", "/dev/ttyUSB0");
    const open = (await Examination.of(guest, "host")).one("DEVICE_OPEN");
    assert.match(open.what, new RegExp(`^${serial.busid} .*ModemManager \\(\\d+\\) has /dev/ttyUSB0`));
    assert.match(open.next![0]!, /systemctl stop ModemManager/);
    await end(modem);

    const claimer = await guest.spawn(
      ["usbhid-dump", "-s", keyboard.busid.split("-")[0]!, "-e", "stream", "-t", "0"],
      () => {},
    );
    await guest.waitFor(
      "the keyboard to be claimed",
      `readlink /sys/bus/usb/devices/${keyboard.busid}:1.0/driver | grep -q usbfs`,
    );
    const claimed = (await Examination.of(guest, "host")).one("DEVICE_CLAIMED");
    assert.match(
      claimed.what,
      new RegExp(`^${keyboard.busid} .*claimed by usbhid-dump \\(\\d+\\).*interface 0\\.`),
    );
    await end(claimer);

    const wireshark = await holding(guest, "dumpcap", "/dev/usbmon1");
    assert.match(
      (await Examination.of(guest, "host")).one("CAPTURE_RUNS").what,
      /dumpcap \(\d+\) has \/dev\/usbmon1/,
    );
    await end(wireshark);
    (await Examination.of(guest, "host")).one("NO_CAPTURE");

    await guest.loadModule("usbip-host");
    await guest.shell(`usbip bind -b ${memory.busid}`);
    const exported = (await Examination.of(guest, "host")).one("DEVICE_OF_USBIP_HOST");
    assert.match(exported.what, new RegExp(`^${memory.busid} `));
    await follow(guest, exported);
    assert.deepEqual((await Examination.of(guest, "host")).problems, []);
    await guest.unloadModule("usbip-host");
    for (const { pull } of [memory, serial, keyboard]) await pull();
    adapter.wire.destroy();
    await guest.shell("rm -f /tmp/wait /tmp/ModemManager /tmp/dumpcap");
  },
};
