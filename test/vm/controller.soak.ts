import { after } from "node:test";
import { ControllerProcess } from "../support/controller-process.ts";
import { FULL } from "./link-gadgets.ts";
import { scenarios } from "./scenario.ts";
import { loopedSound } from "./scenarios/audio.ts";
import { cancelling } from "./scenarios/cancelling.ts";
import { driverTakenUnderLoad, restartsUnderLoad, sleeping } from "./scenarios/controller-lives.ts";
import { ext4 } from "./scenarios/disk.ts";
import { serialPort } from "./scenarios/serial.ts";
import { typing } from "./scenarios/typing.ts";
import { usbtest } from "./scenarios/usbtest.ts";
import {
  driverReloads,
  gadgetsOfController,
  plugCycles,
  pulledDisk,
  throughController,
} from "./scenarios/virtual-controller.ts";

const ITERATIONS = 50;

const controller = await ControllerProcess.start("--gadget", "disk,size=2M,serial=first");
after(() => controller.stop());

const { qemuArguments } = controller;
const imported = throughController(controller);

scenarios(
  "6.12",
  [
    ext4(FULL.diskBytes >> 20, "super", imported),
    loopedSound(FULL.soundSeconds, "full", imported),
    serialPort(FULL.openings, imported),
    typing(["low", "full", "high", "super"], imported),
    cancelling(200, imported),
    usbtest("full", ITERATIONS, imported),
    usbtest("high", ITERATIONS, imported),
    usbtest("super", ITERATIONS, imported),
    gadgetsOfController(controller),
    driverReloads(controller, 10),
    plugCycles(controller, 64),
    pulledDisk(controller),
    driverTakenUnderLoad(controller, 3),
    restartsUnderLoad(controller, ["reboot", "reset", "reboot", "reset"]),
    sleeping(controller, 10),
  ],
  { sharedMemory: true, qemuArguments, modules: ["xhci-pci"] },
);
