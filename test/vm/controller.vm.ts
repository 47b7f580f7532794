import { after } from "node:test";
import { ControllerProcess } from "../support/controller-process.ts";
import { scenarios } from "./scenario.ts";
import { typing } from "./scenarios/typing.ts";
import { driverReloads, gadgetsOfController, throughController } from "./scenarios/virtual-controller.ts";

const controller = await ControllerProcess.start("--gadget", "disk,size=2M,serial=first");
after(() => controller.stop());

const { qemuArguments } = controller;
const imported = throughController(controller);
const shared = { sharedMemory: true, qemuArguments };

scenarios(
  "6.12",
  [gadgetsOfController(controller), driverReloads(controller, 3), typing(["low", "full"], imported)],
  shared,
);
// The next VM finds the devices that the first one had. Most of its memory is above 4 GiB.
scenarios("6.1", [gadgetsOfController(controller)], { ...shared, memoryMiB: 6144 });
