import assert from "node:assert/strict";
import type { Diagnosis } from "../../../src/daemon/doctor/examination.ts";
import { ATTACH_LINES } from "../attachment.ts";
import { KEYBOARD, plug } from "../emulated-device.ts";
import { DOCTOR_MS, Examination } from "../examination.ts";
import { attachByCall, detachByCall, endAgent } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

const LISTENER = "test/vm/guest/unix-listener.js";
const NOBODY = "65534";

export const person: Scenario = {
  name: "doctor: a user without rights is told each right that is missing, with the rule of udev",
  expected: ATTACH_LINES,
  timeoutMs: DOCTOR_MS,
  async run(guest) {
    await guest.loadModule("vhci-hcd", "xhci-pci", "usbhid");
    const keyboard = await plug(guest, KEYBOARD, { controller: "xhci", port: 4 });
    const host = await ServedHost.start({ keyboard: "keyboard" });
    const { port } = await attachByCall(guest, `tcp:${guest.hostAddress}:${host.port}`, "keyboard");
    await guest.shell("mkdir -m 700 /run/closed");
    await guest.call(LISTENER, "listenAt", ["/run/root.sock"]);
    await guest.shell("chmod 600 /run/root.sock");
    try {
      const program = guest.nodeProgram(
        "test/vm/guest/examine-as.js",
        NOBODY,
        "unix:/run/closed/x.sock",
        "unix:/run/root.sock",
      );
      const { stdout, stderr } = await guest.run(program, { timeoutMs: 180_000 });
      assert.equal(stderr, "");
      const [closed, foreign] = (JSON.parse(stdout) as Diagnosis[]).map((one) => new Examination(one));
      assert.deepEqual(closed!.problems, [
        "VHCI_NO_PERMISSION",
        "UDEV_NOT_RUNNING",
        "NODE_NO_PERMISSION",
        "CONTROL_NO_PERMISSION",
        "SOCKET_FILE_NO_PERMISSION",
      ]);
      assert.deepEqual(foreign!.problems, closed!.problems);
      assert.equal(foreign!.diagnosis.checks.at(-1)!.name, "connection");
      closed!.one("RUNTIME_FOLDER_MISSING");
      const node = closed!.one("NODE_NO_PERMISSION");
      assert.match(
        node.what,
        new RegExp(`open ${keyboard.busid} \\(0627:0001\\) at /dev/bus/usb/\\d+/\\d+ \\(EACCES\\)\\.$`),
      );
      assert.equal(
        node.next![1],
        `SUBSYSTEM=="usb", ATTR{idVendor}=="0627", ATTR{idProduct}=="0001", MODE="0660", GROUP="${NOBODY}", TAG+="uaccess"`,
      );
      assert.match(
        closed!.one("CONTROL_NO_PERMISSION").what,
        /ask the agent at unix:\/run\/usbferry\/agent\.sock/,
      );
      assert.match(closed!.one("VHCI_NO_PERMISSION").why!, new RegExp(`user with the number ${NOBODY}`));

      const root = await Examination.of(guest, "both");
      assert.deepEqual(root.problems, []);
      assert.match(root.one("DAEMONS_ANSWER").what, /the agent \(\d+\) of version/);
    } finally {
      await guest.call(LISTENER, "stopListeningAt", ["/run/root.sock"]);
      await detachByCall(guest, port);
      await endAgent(guest);
      await host.stop();
      await keyboard.pull();
      await guest.shell("rmdir /run/closed; rmmod usbhid");
    }
  },
};
