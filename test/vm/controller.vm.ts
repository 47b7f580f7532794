import { after } from "node:test";
import { ControllerProcess } from "../support/controller-process.ts";
import { scenarios } from "./scenario.ts";
import { loopedSound } from "./scenarios/audio.ts";
import { cancelling } from "./scenarios/cancelling.ts";
import {
  afterKilled,
  driverTakenUnderLoad,
  leftUnderLoad,
  restartsUnderLoad,
  sleeping,
} from "./scenarios/controller-lives.ts";
import { ext4 } from "./scenarios/disk.ts";
import { serialPort } from "./scenarios/serial.ts";
import { typing } from "./scenarios/typing.ts";
import {
  driverReloads,
  gadgetsOfController,
  plugCycles,
  pulledDisk,
  throughController,
} from "./scenarios/virtual-controller.ts";

const controller = await ControllerProcess.start("--gadget", "disk,size=2M,serial=first");
after(() => controller.stop());

const { qemuArguments } = controller;
const imported = throughController(controller);
const shared = { sharedMemory: true, qemuArguments, modules: ["xhci-pci"] };

scenarios(
  "6.12",
  [
    gadgetsOfController(controller),
    driverReloads(controller, 1),
    plugCycles(controller, 16),
    pulledDisk(controller),
    typing(["low", "full"], imported),
    cancelling(20, imported),
    serialPort(5, imported),
    ext4(8, "super", imported),
    loopedSound(2, "full", imported),
    driverTakenUnderLoad(controller, 1),
    restartsUnderLoad(controller, ["reset"]),
    leftUnderLoad(controller),
  ],
  shared,
);
// The next VM finds the devices that the first one had. Most of its memory is above 4 GiB.
scenarios("6.1", [afterKilled(controller), gadgetsOfController(controller), sleeping(controller, 1)], {
  ...shared,
  memoryMiB: 6144,
});
