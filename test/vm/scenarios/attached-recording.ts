import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { traffic } from "../../capture/recorded-file.ts";
import { ATTACH_LINES } from "../attachment.ts";
import { attachByCall, detachByCall, endAgent, USBFERRY } from "../own-attachment.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";
import { bindTo, PARAMETERS } from "./usbtest.ts";

/** The guest's own side of it: what its agent has attached. */
export const attachedRecording: Scenario = {
  name: "usbferry capture records at a port what the agent has attached",
  timeoutMs: 240_000,
  expected: ATTACH_LINES,
  async run(guest) {
    const host = await ServedHost.start({ zero: "zero,serial=zero" });
    try {
      await guest.loadModule("usbtest");
      const address = `tcp:${guest.hostAddress}:${host.port}`;
      const { port, sysfsName, node } = await attachByCall(guest, address, "zero");
      let said = "";
      const words = [...USBFERRY, "capture", String(port), "-o", "/tmp/attached.pcapng"];
      const recorder = await guest.spawn(words, (line) => {
        said += `${line}\n`;
      });
      await guest.waitFor("the recording to begin", () => said.includes("Ctrl-C ends it."), 60_000);
      await bindTo(guest, { sysfsName }, 0);
      const parameters = [node, 0, { test: 1, iterations: 3, ...PARAMETERS }];
      await guest.call("test/vm/guest/usbtest.js", "usbtest", parameters, 60_000);
      await guest.unloadModule("usbtest");
      await detachByCall(guest, port);
      await recorder.exit;
      assert.match(said, /The device is gone\. \d+ packets\.\n$/);
      const path = join(guest.scratch, "attached.pcapng");
      await writeFile(path, await guest.readFile("/tmp/attached.pcapng"));
      const bulk = traffic(path).filter((event) => event.endsWith(" 1"));
      assert.deepEqual(bulk, ["S 1", "C 1", "S 1", "C 1", "S 1", "C 1"]);
      await endAgent(guest);
    } finally {
      await host.stop();
    }
  },
};
