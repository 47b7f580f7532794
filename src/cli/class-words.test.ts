import assert from "node:assert/strict";
import { test } from "node:test";
import { classWords } from "./class-words.ts";

const face = (bInterfaceClass: number, bInterfaceSubClass = 0, bInterfaceProtocol = 0) => ({
  bInterfaceClass,
  bInterfaceSubClass,
  bInterfaceProtocol,
});

const cases: readonly (readonly [
  what: string,
  bDeviceClass: number,
  faces: ReturnType<typeof face>[],
  words: string,
])[] = [
  ["a boot keyboard with a mouse", 0, [face(3, 1, 1), face(3, 1, 2)], "Keyboard, Mouse"],
  ["a HID without the boot protocol", 0, [face(3)], "Input device"],
  ["a headset names a class once", 0, [face(1, 1), face(1, 2), face(3)], "Audio, Input device"],
  ["a hub without interfaces goes by the device class", 9, [], "Hub"],
  ["an unknown class keeps its number", 0, [face(0x42)], "Class 42"],
  ["nothing known", 0, [], "Unknown"],
];

for (const [what, bDeviceClass, interfaces, words] of cases) {
  test(what, () => assert.equal(classWords({ bDeviceClass, interfaces }), words));
}
