import assert from "node:assert/strict";
import { RunningExample } from "../../examples/running-example.ts";
import { ATTACH_LINES, attach, detachAll } from "../attachment.ts";
import type { Scenario } from "../scenario.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
}

export const ownDevice: Scenario = {
  name: "the example of a device of one's own talks to a program in the guest",
  expected: ATTACH_LINES,
  async run(guest) {
    const example = await RunningExample.start("define-a-device");
    try {
      const [attachment] = await attach(guest, example.port, ["thermometer"]);
      const talk = (...transfers: readonly unknown[]): Promise<unknown> =>
        guest.call("test/vm/guest/conversation.js", "converse", [attachment!.node, transfers]);
      const [now, set, fahrenheit, wrong, cleared, after] = (await talk(
        { request: [0xc0, 0x01, 0, 0, 64] },
        { out: 0x02, text: "F" },
        { in: 0x81 },
        { out: 0x02, text: "K" },
        { clear: 0x02 },
        { out: 0x02, text: "C" },
      )) as Answer[];
      assert.match(now!.text, /^\d+\.\d\d C\n$/);
      assert.equal(set!.status, 0);
      assert.match(fahrenheit!.text, /^\d+\.\d\d F\n$/);
      assert.equal(wrong!.status, -32, "EPIPE: a stall");
      assert.deepEqual([cleared!.status, after!.status], [0, 0]);
      await guest.waitFor("the line of the error", () =>
        example.errors.some((line) => line.includes("failed")),
      );
      assert.deepEqual(
        example.errors.filter((line) => line.includes("failed")),
        ['Thermometer: receive of endpoint 2 failed, the guest sees a stall: there is no unit "K"'],
      );
      await detachAll(guest);
    } finally {
      await example.kill();
    }
  },
};
