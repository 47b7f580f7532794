import { after } from "node:test";
import { ControllerProcess } from "./controller-process.ts";
import { scenarios } from "./scenario.ts";
import { driverReloads, gadgetsOfController } from "./scenarios/virtual-controller.ts";

const controller = await ControllerProcess.start("--gadget", "disk,size=2M,serial=first");
after(() => controller.stop());

const { qemuArguments } = controller;
scenarios("6.12", [gadgetsOfController(controller), driverReloads(controller, 3)], {
  sharedMemory: true,
  qemuArguments,
});
