import assert from "node:assert/strict";
import { test } from "node:test";
import { usbferry } from "../support/usbferry.ts";
import { RunningExample } from "./running-example.ts";

test("the example of a device of one's own is offered to any client", async () => {
  const example = await RunningExample.start("define-a-device");
  try {
    const { code, stdout } = usbferry(["list", example.address, "--json"]);
    assert.equal(code, 0);
    const { devices } = JSON.parse(stdout) as { devices: { busid: string; vid: string; speed: string }[] };
    assert.deepEqual(
      devices.map(({ busid, vid, speed }) => ({ busid, vid, speed })),
      [{ busid: "thermometer", vid: "1209", speed: "high" }],
    );
  } finally {
    await example.kill();
  }
});
