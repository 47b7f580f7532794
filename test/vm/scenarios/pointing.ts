import assert from "node:assert/strict";
import { Mouse } from "../../../src/gadgets/mouse.ts";
import { ATTACH_LINES, attach, detachAll } from "../attachment.ts";
import { inputEvents } from "../input-events.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** include/uapi/linux/input-event-codes.h */
const EV_KEY = 1;
const EV_REL = 2;
const REL_X = 0;
const REL_Y = 1;
const REL_WHEEL = 8;
const BTN_LEFT = 0x110;

export const pointing: Scenario = {
  name: "a mouse moves, clicks and turns its wheel in evdev",
  expected: ATTACH_LINES,
  async run(guest) {
    const mouse = new Mouse({ serial: "mouse" });
    const host = await ServedHost.start({ mouse });
    try {
      const [attachment] = await attach(guest, host.port, ["mouse"]);
      const { events, stop } = await inputEvents(guest, attachment!);
      mouse.move(200, -50);
      mouse.click();
      mouse.wheel(-1);
      const seen = (): [number, number, number][] =>
        events
          .filter(({ type, code }) => type === EV_KEY || (type === EV_REL && code <= REL_WHEEL))
          .map(({ type, code, value }) => [type, code, value]);
      await guest.waitFor("the wheel", () => seen().some(([, code]) => code === REL_WHEEL)).finally(stop);
      assert.deepEqual(seen(), [
        [EV_REL, REL_X, 127],
        [EV_REL, REL_Y, -50],
        [EV_REL, REL_X, 73],
        [EV_KEY, BTN_LEFT, 1],
        [EV_KEY, BTN_LEFT, 0],
        [EV_REL, REL_WHEEL, -1],
      ]);
      await detachAll(guest);
    } finally {
      await host.stop();
    }
  },
};
