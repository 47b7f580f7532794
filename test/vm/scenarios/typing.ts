import assert from "node:assert/strict";
import { Keyboard } from "../../../src/gadgets/keyboard.ts";
import { Speed } from "../../../src/usb/speed.ts";
import { ATTACH_LINES, type AttachWay, STOCK_TOOL } from "../attachment.ts";
import { inputEvents } from "../input-events.ts";
import type { Scenario } from "../scenario.ts";
import { ServedHost } from "../served-host.ts";

/** include/uapi/linux/input-event-codes.h */
const EV_KEY = 1;
const LEFT_SHIFT = 42;
const KEYS: Readonly<Record<string, number>> = {
  u: 22,
  s: 31,
  b: 48,
  F: 33,
  e: 18,
  r: 19,
  y: 21,
  "!": 2,
  " ": 57,
  "\n": 28,
};

const TEXT = "usb Ferry!\n";

/** What evdev must tell of a text: each key down and up, shift around the keys that need it. */
export function keyEvents(text: string): [code: number, value: number][] {
  return Array.from(text).flatMap((character): [number, number][] => {
    const code = KEYS[character]!;
    if (!/[A-Z!]/.test(character))
      return [
        [code, 1],
        [code, 0],
      ];
    return [
      [LEFT_SHIFT, 1],
      [code, 1],
      [LEFT_SHIFT, 0],
      [code, 0],
    ];
  });
}

type KeyboardSpeed = "low" | "full" | "high" | "super";

export function typing(speeds: readonly KeyboardSpeed[], way: AttachWay = STOCK_TOOL): Scenario {
  return {
    name: `typed text arrives as evdev events${way.words}`,
    expected: ATTACH_LINES,
    async run(guest) {
      for (const speed of speeds) {
        const keyboard = new Keyboard({ speed: Speed[speed], serial: "keyboard" });
        const host = await ServedHost.start({ keyboard });
        try {
          const [attachment] = await way.attach(guest, host.port, ["keyboard"]);
          const { events, stop } = await inputEvents(guest, attachment!);
          const seen = (): [number, number][] =>
            events.filter(({ type }) => type === EV_KEY).map(({ code, value }) => [code, value]);
          assert.equal(keyboard.type(TEXT), undefined);
          const expected = keyEvents(TEXT);
          await guest.waitFor("the last key", () => seen().length >= expected.length, 10_000).finally(stop);
          assert.deepEqual(seen(), expected);
          await way.detachAll(guest);
        } finally {
          await host.stop();
        }
      }
    },
  };
}
