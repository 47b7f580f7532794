import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { plug, stick } from "../emulated-device.ts";
import { driverOf } from "../guest-host.ts";
import type { Scenario } from "../scenario.ts";

const CALLS = "test/vm/guest/hand-over.js";
const FOLDER = "/tmp/handed-over";
const HOTPLUG = `${FOLDER}/hotplug.sock`;
const CONTROL = `${FOLDER}/control.sock`;
const DETACH = 1;
const LIST = 2;
const DONE = 0;
const LISTED = 1;
const NOT_OPENED = 4;
const NO_SUCH_DEVICE = 5;
const START_MS = 60_000;

/** A controller that may open no device has one whose node root opens for it. */
export const passedDevice: Scenario = {
  name: "an unprivileged controller is handed the open node of a stick, and gives it back",
  expected: [{ pattern: /usb-storage|scsi|sd |usb .*/, reason: "a stick is taken from its driver" }],
  timeoutMs: 120_000,
  async run(guest) {
    await guest.loadModule("usb-storage", "sd_mod");
    const image = join(guest.folder, "handed-over");
    await writeFile(image, randomBytes(1 << 20));
    const { busid, pull } = await plug(guest, await stick(guest, image), { controller: "xhci", port: 9 });
    const [bus, device] = (await guest.shell(`cd /sys/bus/usb/devices/${busid}; cat busnum devnum`))
      .trim()
      .split("\n")
      .map(Number) as [number, number];
    const ask = (...bytes: readonly number[]): Promise<unknown> => guest.call(CALLS, "ask", [HOTPLUG, bytes]);

    await guest.call(CALLS, "readThroughOpened", [busid]);
    await guest.waitFor("its driver", async () => (await driverOf(guest, busid)) === "usb-storage");

    await guest.shell(`rm -rf ${FOLDER}; mkdir ${FOLDER}; chown 65534:65534 ${FOLDER}`);
    const lines: string[] = [];
    const options = ["--socket-path", `${FOLDER}/vm.sock`, "--hotplug-socket", HOTPLUG, "--control", CONTROL];
    const argv = guest.nodeProgram(CALLS, "controller", ...options, "--state-dir", `${FOLDER}/state`);
    const controller = await guest.spawn(argv, (line) => void lines.push(line));
    try {
      await guest.waitFor(
        "the controller",
        () => lines.some((line) => line.startsWith("The controller")),
        START_MS,
      );
      assert.deepEqual(await guest.call(CALLS, "handOver", [HOTPLUG, busid, bus + 1]), [NOT_OPENED]);
      assert.deepEqual(await guest.call(CALLS, "handOver", [HOTPLUG, busid]), [DONE], lines.join("\n"));
      assert.deepEqual(await ask(LIST, 0, 0), [LISTED, 1, bus, device]);
      await guest.waitFor(
        "the controller to have it",
        async () => (await driverOf(guest, busid)) === "usbfs",
      );
      assert.deepEqual(await guest.call(CALLS, "handOver", [HOTPLUG, busid]), [DONE], lines.join("\n"));
      assert.deepEqual(await ask(DETACH, bus, device), [DONE]);
      assert.deepEqual(await ask(DETACH, bus, device), [NO_SUCH_DEVICE]);
      await guest.waitFor("its driver", async () => (await driverOf(guest, busid)) === "usb-storage");
      assert.deepEqual(await guest.call(CALLS, "handOver", [HOTPLUG, busid]), [DONE], lines.join("\n"));
      await guest.waitFor(
        "the controller to have it",
        async () => (await driverOf(guest, busid)) === "usbfs",
      );
      await pull();
      await guest.waitFor("the controller to lose it", async () => {
        const listed = (await ask(LIST, 0, 0)) as number[];
        return listed[1] === 0;
      });
    } finally {
      await controller.kill("SIGTERM");
    }
    assert.deepEqual(await controller.exit, { code: 0, signal: null });
  },
};
