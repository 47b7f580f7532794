import { after, test } from "node:test";
import { ControllerProcess } from "../support/controller-process.ts";
import { bootFromDisk } from "./scenarios/firmware.ts";

const controller = await ControllerProcess.start();
after(() => controller.stop());

for (const [speed, memoryMiB] of [
  ["full", 1024],
  ["high", 1024],
  ["super", 1024],
  ["super", 6144],
] as const) {
  test(`SeaBIOS boots from a ${speed}-speed disk at a virtual controller, with ${memoryMiB} MiB`, () =>
    bootFromDisk(controller, speed, memoryMiB));
}
